--- From a domain to hosts and addresses: RFC 5321 5.1, RFC 7505.
-- A step of the pipeline; it works on the probe (see `rcpt.probe`) and may yield.
-- @module rcpt.route
local core = require "rcpt.core"
local nets = require "rcpt.nets"
local floor, ipairs, match, tostring, tonumber = math.floor, ipairs, string.match, tostring, tonumber
local route = {}

-- MX hosts looked at: a domain with more makes us ask more than it is worth.
local LOOKED_MAX = 20
-- Addresses of one host handed to the core, which tries eight.
local ADDRESSES_MAX = 8

-- A generator of our own (Park and Miller's): the caller's math.random is not ours to seed.
local seed, seeded_for
local function random(n)
  local pid = core.pid()
  if seeded_for ~= pid then
    local place = tonumber(match(tostring({}), "(%x+)$"), 16) or 1
    seed, seeded_for = floor((core.now() * 1000 + pid * 7919 + place / 16) % 2147483646) + 1, pid
  end
  seed = seed * 16807 % 2147483647
  return seed % n + 1
end

-- By preference; among equals at random.
local function order(list)
  for i = #list, 2, -1 do
    local j = random(i)
    list[i], list[j] = list[j], list[i]
  end
  for i = 2, #list do
    local mx, j = list[i], i - 1
    while j > 0 and list[j].preference > mx.preference do
      list[j + 1] = list[j]
      j = j - 1
    end
    list[j + 1] = mx
  end
end

-- The same host again, at a worse preference, is no other host.
local function drop_repeated(list)
  local seen, kept = {}, 0
  for i = 1, #list do
    local mx = list[i]
    list[i] = nil
    if not seen[mx.host] then
      seen[mx.host], kept = true, kept + 1
      list[kept] = mx
    end
  end
end

-- The hosts MX records name; none when all of them name the root.
local function read_mx(records)
  local list = {}
  for i = 1, #records do
    local record = records[i]
    if record.data ~= "." and record.data ~= "" then
      list[#list + 1] = { host = record.data, preference = record.preference, implicit = false }
    end
  end
  if #list > 1 then
    order(list)
    drop_repeated(list)
  end
  return list
end

-- "[192.0.2.1]" and "[IPv6:2001:db8::1]" without their dress.
local function literal_ip(domain)
  local inner = match(domain, "^%[(.*)%]$") or domain
  local _, ip = core.ip(match(inner, "^[Ii][Pp][Vv]6:(.*)$") or inner)
  return ip
end

--- Find the hosts that take the domain's mail: `probe.mx`, or `probe.reason` where there are none.
-- @tparam table probe
-- @treturn ?boolean true, or nil, message, code
-- @treturn ?string
-- @treturn ?string
function route.find(probe)
  local parsed = probe.parsed
  local domain = parsed.domain
  probe.stage = "dns"
  if parsed.kind ~= "domain" then
    probe.mx = { { host = domain, preference = 0, implicit = true } }
    return true
  end
  local answer, message, code = probe:await(probe.resolver:lookup("MX", domain, probe:patience("dns_timeout")))
  if not answer then return nil, message, code end
  local status = answer.status
  if status == "noerror" then
    local list = read_mx(answer.records)
    probe.mx = list
    if #list == 0 then probe:conclude("null_mx") end
  elseif status == "nodata" then
    probe.mx = { { host = domain, preference = 0, implicit = true } }
  elseif status == "nxdomain" then
    probe:conclude("domain_not_found")
  else
    probe:conclude("dns_failure", status)
  end
  return true
end

-- Public addresses of an answer, appended to a list; how many there were in all.
local function take(answer, allowed, list)
  if answer.status ~= "noerror" then return 0 end
  local records = answer.records
  for i = 1, #records do
    local ip = records[i].data
    if nets.is_public(ip, allowed) then list[#list + 1] = ip end
  end
  return #records
end

-- One of the first list, one of the second, and so on.
local function weave(first, second)
  if #second == 0 and #first <= ADDRESSES_MAX then return first end
  if #first == 0 and #second <= ADDRESSES_MAX then return second end
  local out, i = {}, 1
  while #out < ADDRESSES_MAX and (first[i] or second[i]) do
    out[#out + 1] = first[i]
    if #out < ADDRESSES_MAX then out[#out + 1] = second[i] end
    i = i + 1
  end
  return out
end

local IS_DENIAL = { noerror = true, nodata = true, nxdomain = true }

-- Why a host has no address to ask.
local function why_none(a, aaaa, n)
  if n > 0 then return "not_public" end
  if not IS_DENIAL[a.status] then return a.status, true end
  if not IS_DENIAL[aaaa.status] then return aaaa.status, true end
  return "missing"
end

local function look_up(probe, host)
  local resolver, patience = probe.resolver, probe:patience("dns_timeout")
  probe:post(resolver:lookup("A", host, patience))
  probe:post_beside(resolver:lookup("AAAA", host, patience))
  local a, message, code = probe:settle()
  if not a then
    probe:forget_beside()
    return nil, message, code
  end
  local aaaa
  aaaa, message, code = probe:settle_beside()
  if not aaaa then return nil, message, code end
  return a, aaaa
end

--- The addresses of one MX at which it may be asked.
-- @tparam table probe
-- @tparam table mx
-- @treturn ?{string,...} in the order to try; false where there are none; nil, message, code on an error
-- @treturn ?string for false: why (missing, not_public, is_ip, or what the DNS answered)
-- @treturn ?boolean for false: true where asking again may tell
function route.addresses(probe, mx)
  local options = probe.options
  local host = mx.host
  if probe.parsed.kind ~= "domain" then
    local ip = literal_ip(host)
    if nets.is_public(ip, options.allow_nets) then return { ip } end
    return false, "not_public"
  end
  if not mx.implicit and nets.looks_like_ip(host) then return false, "is_ip" end
  local a, aaaa, code = look_up(probe, host)
  if not a then return nil, aaaa, code end
  local v4, v6 = {}, {}
  local n = take(a, options.allow_nets, v4) + take(aaaa, options.allow_nets, v6)
  if #v4 + #v6 == 0 then return false, why_none(a, aaaa, n) end
  if probe.identity.prefers_ipv6 then return weave(v6, v4) end
  return weave(v4, v6)
end

--- How many of the probe's hosts are looked at.
-- @tparam table probe
-- @treturn number
-- @treturn boolean are there more?
function route.reach(probe)
  local n = #probe.mx
  if n > LOOKED_MAX then return LOOKED_MAX, true end
  return n, false
end

-- Of the hosts without an address, the first that is worth telling.
local function first_why(skipped, may_change)
  for _, entry in ipairs(skipped) do
    if not may_change or entry.may_change then return entry.why end
  end
end

--- None of the hosts has an address that may be asked: what that means.
-- @tparam table probe
-- @tparam {table,...} skipped `{why=, may_change=}` of each
-- @tparam boolean is_partial were there more hosts than we looked at, or had time for?
function route.conclude_none(probe, skipped, is_partial)
  local why = first_why(skipped, true)
  if why then
    probe:conclude("dns_failure", why)
  elseif is_partial then
    if probe:is_late() then probe:conclude("timeout") else probe:conclude("dns_failure", "too_many_hosts") end
  elseif probe.mx[1].implicit and first_why(skipped) == "missing" then
    probe:conclude("no_mail_host")
  else
    probe:conclude("bogus_mx", first_why(skipped))
  end
end

return route
