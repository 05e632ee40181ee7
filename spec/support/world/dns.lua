-- The name server of a mail world: authoritative for what the script lists, over UDP and TCP.
--
-- It answers from the tables described in spec/support/world.lua and misbehaves as they say. It
-- knows no DNSSEC, no zone transfer, one question a message.
-- SPDX-License-Identifier: MIT
-- luacheck: std lua54
local cqueues = require "cqueues"
local net = require "world.net"
local record = require "world.record"

local dns = {}
dns.__index = dns

local RCODES = { NOERROR = 0, FORMERR = 1, SERVFAIL = 2, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5 }
local BEHAVIOURS = { "rcode", "silent", "truncate", "raw", "wrong_id" }

--- A name server for `world` (its zones may be replaced at any time) that tells `journal`.
function dns.new(world, journal)
  return setmetatable({
    world = world, journal = journal, used = setmetatable({}, { __mode = "k" }),
    kept = {}, -- sockets that only hold a port, so that it is refused
  }, dns)
end

-- The topmost listed name at or above `name`: whose SOA speaks for it. Nothing listed: the last
-- label's.
local function apex(zones, name)
  local found
  local at = name
  while at ~= "" do
    if zones[at] then
      found = at
    end
    if not at:find(".", 1, true) then
      break
    end
    at = at:gsub("^[^.]*%.?", "")
  end
  return found or at, zones[found]
end

-- The entry for a name: its own, or that of the nearest wildcard above it.
local function entry_of(zones, name)
  if zones[name] then
    return zones[name]
  end
  local above = name
  while above:find(".", 1, true) do
    above = above:gsub("^[^.]*%.", "")
    if zones["*." .. above] then
      return zones["*." .. above]
    end
    if zones[above] then
      return nil
    end
  end
end

-- Is something listed below it? Then the name exists, empty (RFC 8020).
local function is_branch(zones, name)
  local tail = "." .. name
  for listed in pairs(zones) do
    if listed:sub(-#tail) == tail then
      return true
    end
  end
  return false
end

-- How to misbehave: the server's own ways first, then the type's, then the name's. A source with
-- `times` is spent after that many questions.
function dns:behaviour(server, entry, kind)
  local how = {}
  local sources = { server, entry and entry.on and entry.on[kind] or {}, entry or {} }
  for _, source in ipairs(sources) do
    local used = self.used[source] or 0
    self.used[source] = used + 1
    if not source.times or used < source.times then
      how.delay = how.delay or source.delay
      for _, name in ipairs(BEHAVIOURS) do
        if how[name] == nil then
          how[name] = source[name]
        end
      end
    end
  end
  return how
end

-- The records that answer, following aliases; and the name and entry where the trail ended.
local function gather(zones, question)
  local answers = {}
  local name = question.name:lower()
  local owner = question.name
  local entry = entry_of(zones, name)
  for _ = 1, 16 do
    if not entry then
      break
    end
    if entry.CNAME and question.type ~= "CNAME" then
      answers[#answers + 1] = record.one(owner, "CNAME", entry.CNAME, entry.ttl)
      name = entry.CNAME:lower()
      owner = name
      entry = entry_of(zones, name)
    else
      for _, rr in ipairs(record.all(owner, question.type, entry)) do
        answers[#answers + 1] = rr
      end
      break
    end
  end
  return answers, name, entry
end

-- rcode, answers and authority, as lists of encoded records.
local function resolve(world, question, how)
  local zones = world.zones
  local answers, name, entry = gather(zones, question)
  local rcode = how.rcode and (RCODES[how.rcode] or tonumber(how.rcode))
  local top, above = apex(zones, name)
  if rcode and rcode ~= 0 and rcode ~= 3 then
    return rcode, {}, {}
  end
  if not rcode then
    local exists = entry or is_branch(zones, name)
    rcode = exists and 0 or 3
    if not exists and not above and world.unlisted then
      return RCODES[world.unlisted], {}, {}
    end
  end
  if rcode == 3 and how.rcode then
    answers = {}
  end
  local last = answers[#answers]
  local denied = rcode == 3 or not last or (last.type == "CNAME" and question.type ~= "CNAME")
  entry, above = entry or {}, above or {}
  if not denied or entry.without_soa or above.without_soa then
    return rcode, answers, {}
  end
  local ttl = entry.negative_ttl or above.negative_ttl or 60
  return rcode, answers, { record.soa(top, entry.soa_ttl or above.soa_ttl or ttl, ttl) }
end

--- The answer to a question in octets, or nil for silence; and how long to wait with it.
function dns:answer(server, message, transport, peer)
  local question = record.question(message)
  if not question then
    return nil, 0
  end
  self.journal:add {
    kind = "query", name = question.name, type = question.type, transport = transport, peer = peer,
    server = server.index,
  }
  local how = self:behaviour(server, entry_of(self.world.zones, question.name:lower()), question.type)
  if how.silent then
    return nil, 0
  end
  local delay = how.delay or 0
  local id = how.wrong_id and (question.id ~ 0x5555) or question.id
  if how.raw then
    return string.pack(">I2", id) .. how.raw:sub(3), delay
  end
  local rcode, answers, authority = resolve(self.world, question, how)
  local whole = record.message(question, id, rcode, false, answers, authority)
  if transport == "udp" and (how.truncate or #whole > question.size) then
    whole = record.message(question, id, rcode, true, {}, {})
  end
  return whole, delay
end

function dns:serve_udp(server, s, spawn)
  local fd = s:getfd()
  while true do
    local message, ip, port = s:receivefrom()
    if message then
      local reply, delay = self:answer(server, message, "udp", ip .. ":" .. port)
      if reply and delay > 0 then
        spawn(function()
          cqueues.sleep(delay)
          s:sendto(reply, ip, port)
        end)
      elseif reply then
        s:sendto(reply, ip, port)
      end
    else
      net.await(fd, "r")
    end
  end
end

-- One connection: questions with their length before them (RFC 7766), answered as they are ready.
function dns:serve_tcp(server, connection, spawn)
  while true do
    local size = string.unpack(">I2", connection:read(2))
    local message = connection:read(size)
    local reply, delay = self:answer(server, message, "tcp", connection.peer)
    if reply and delay > 0 then
      spawn(function()
        cqueues.sleep(delay)
        if connection.socket then
          pcall(connection.write, connection, string.pack(">s2", reply))
        end
      end)
    elseif reply then
      connection:write(string.pack(">s2", reply))
    end
  end
end

--- Bind UDP and TCP to one free port of `ip` and serve there; the port.
function dns:listen(server, ip, spawn)
  for _ = 1, 50 do
    local udp = assert(net.udp(ip, 0))
    local port = net.port(udp)
    local tcp = net.bound(ip, port, true)
    if tcp then
      if server.refuse then
        udp:close()
        self.kept[#self.kept + 1] = tcp
        return port
      end
      spawn(function() self:serve_udp(server, udp, spawn) end)
      if server.no_tcp then
        self.kept[#self.kept + 1] = tcp
        return port
      end
      assert(tcp:listen(1024))
      spawn(function()
        net.accept(tcp, function(connection)
          spawn(function()
            local ok, err = pcall(self.serve_tcp, self, server, connection, spawn)
            connection:close()
            assert(ok or err == net.gone, err)
          end)
        end)
      end)
      return port
    end
    udp:close()
  end
  error("no port free for UDP and TCP")
end

return dns
