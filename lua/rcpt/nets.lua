--- IP ranges no public mail server can stand in, and sets of ranges that are admitted all the same.
-- Addresses are text in canonical form. Nothing here asks the network.
-- @module rcpt.nets
local core = require "rcpt.core"
local byte, find, floor, format, gmatch = string.byte, string.find, math.floor, string.format, string.gmatch
local ipairs, match, sub, tonumber = ipairs, string.match, string.sub, tonumber
local nets = {}

-- What is not globally reachable: RFC 6890 and its registries as they grew, multicast, and what wraps an
-- IPv4 address in a way no mail server is reached by.
nets.REFUSED = {
  "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
  "192.0.0.0/24", "192.0.2.0/24",          -- RFC 6890, RFC 5737
  "192.88.99.0/24",                        -- RFC 7526: 6to4 relays, gone
  "192.168.0.0/16", "198.18.0.0/15",       -- RFC 1918, RFC 2544
  "198.51.100.0/24", "203.0.113.0/24",     -- RFC 5737
  "224.0.0.0/4", "240.0.0.0/4",            -- multicast, reserved and broadcast
  "::/96", "::ffff:0:0/96",                -- unspecified, loopback, IPv4-compatible, IPv4-mapped
  "64:ff9b:1::/48", "100::/64",            -- RFC 8215, RFC 6666
  "2001::/23", "2001:db8::/32", "3fff::/20", -- RFC 2928 (Teredo, ORCHID), RFC 3849, RFC 9637
  "5f00::/16",                             -- RFC 9602
  "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
}

-- The bytes of "192.0.2.1"; nil for anything else.
local function bytes4(text)
  local a, b, c, d = match(text, "^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  if not a then return nil end
  return { tonumber(a), tonumber(b), tonumber(c), tonumber(d) }
end

local function add_groups(to, text)
  for group in gmatch(text, "[^:]+") do
    local tail = bytes4(group)
    if tail then
      for i = 1, 4 do to[#to + 1] = tail[i] end
    else
      local n = tonumber(group, 16)
      to[#to + 1] = floor(n / 256)
      to[#to + 1] = n % 256
    end
  end
end

-- The bytes of an IPv6 address that core.ip has already found to be one.
local function bytes6(text)
  local gap, past = find(text, "::", 1, true)
  local out, tail = {}, {}
  if not gap then
    add_groups(out, text)
    return out
  end
  add_groups(out, sub(text, 1, gap - 1))
  add_groups(tail, sub(text, past + 1))
  for _ = 1, 16 - #out - #tail do out[#out + 1] = 0 end
  for i = 1, #tail do out[#out + 1] = tail[i] end
  return out
end

--- The bytes of an IP address.
-- @tparam string text
-- @treturn ?{number,...} 4 or 16 bytes; nil for what is no IP address
function nets.bytes(text)
  local v4 = bytes4(text)
  if v4 and v4[1] < 256 and v4[2] < 256 and v4[3] < 256 and v4[4] < 256 then return v4 end
  local family, canonical = core.ip(text)
  if family == "ipv6" then return bytes6(canonical) end
  return family == "ipv4" and bytes4(canonical) or nil
end

-- One range: { size = 4 or 16, whole = bytes compared whole, rest = divisor of the next, ... the bytes }.
local function read_range(text, bytes_of)
  local base, bits = match(text, "^([%x.:]+)/(%d%d?%d?)$")
  if not base then
    base, bits = text, nil
  end
  local range = bytes_of(base)
  if not range then return nil, "no IP address or range" end
  local size = #range
  bits = bits and tonumber(bits) or size * 8
  if bits > size * 8 then return nil, format("a prefix of at most %d bits belongs here", size * 8) end
  range.size, range.whole, range.rest = size, floor(bits / 8), 2 ^ (8 - bits % 8)
  for i = range.whole + 1, size do
    local kept = i == range.whole + 1 and range[i] - range[i] % range.rest or 0
    if kept ~= range[i] then return nil, "bits are set beyond the prefix" end
  end
  return range
end

local function contains(range, bytes)
  if range.size ~= #bytes then return false end
  local whole = range.whole
  for i = 1, whole do
    if range[i] ~= bytes[i] then return false end
  end
  local rest = range.rest
  return rest == 256 or floor(range[whole + 1] / rest) == floor(bytes[whole + 1] / rest)
end

--- A set of ranges.
-- @tparam {string,...} list "192.0.2.0/24", "2001:db8::/32"; an address alone is a range of one
-- @treturn ?table the set
-- @treturn ?string the entry that is none
-- @treturn ?string why not
function nets.set(list)
  local set = {}
  for i, text in ipairs(list) do
    local range, why = read_range(text, nets.bytes)
    if not range then return nil, text, why end
    set[i] = range
  end
  return set
end

local function within(set, bytes)
  for i = 1, #set do
    if contains(set[i], bytes) then return true end
  end
  return false
end

-- The refused IPv4 ranges by their first byte: most addresses are of a byte that has none.
local BY_BYTE, REFUSED6 = {}, {}
local function own(text) return assert(read_range(text, find(text, ":", 1, true) and bytes6 or bytes4)) end
do
  for _, text in ipairs(nets.REFUSED) do
    local range = own(text)
    if range.size == 16 then
      REFUSED6[#REFUSED6 + 1] = range
    else
      local last = range.whole == 0 and range[1] + range.rest - 1 or range[1]
      for first = range[1], last do
        BY_BYTE[first] = BY_BYTE[first] or {}
        BY_BYTE[first][#BY_BYTE[first] + 1] = range
      end
    end
  end
end

local function refused4(bytes)
  local ranges = BY_BYTE[bytes[1]]
  return ranges ~= nil and within(ranges, bytes)
end

local MAPPED, NAT64, SIX_TO_FOUR = own "::ffff:0:0/96", own "64:ff9b::/96", own "2002::/16"

-- The IPv4 address inside an IPv6 one, where it has one.
local function inner(bytes)
  if contains(MAPPED, bytes) or contains(NAT64, bytes) then return { bytes[13], bytes[14], bytes[15], bytes[16] } end
  if contains(SIX_TO_FOUR, bytes) then return { bytes[3], bytes[4], bytes[5], bytes[6] } end
  return nil
end

--- May a public mail server have this address?
-- An IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4) is judged by that as well.
-- @tparam string ip
-- @tparam ?table allowed a set that is admitted all the same (option `allow_nets`)
-- @treturn boolean
function nets.is_public(ip, allowed)
  local a, b, c, d = match(ip, "^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  if a then
    a = tonumber(a)
    if not BY_BYTE[a] then return a < 256 and tonumber(b) < 256 and tonumber(c) < 256 and tonumber(d) < 256 end
  end
  local bytes = nets.bytes(ip)
  if not bytes then return false end
  local v4 = #bytes == 16 and inner(bytes) or nil
  if allowed and (within(allowed, bytes) or v4 and within(allowed, v4)) then return true end
  if #bytes == 4 then return not refused4(bytes) end
  return not within(REFUSED6, bytes) and not (v4 and refused4(v4))
end

--- Is this text an IP address, or written as if it were one (only digits and dots)?
-- @tparam string text
-- @treturn boolean
function nets.looks_like_ip(text)
  local last = byte(text, -1)
  if not last then return false end
  if find(text, ":", 1, true) then return true end
  return not find(text, "[^%d.]")
end

return nets
