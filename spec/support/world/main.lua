-- The process of a mail world: lua5.4 main.lua DIRECTORY, started by spec/support/world.lua.
--
-- Reads DIRECTORY/script.lua, serves, obeys one command a line on standard input and answers each
-- with a line into the fifo DIRECTORY/reply. It ends when standard input does (its parent went) or
-- when its lifetime is over.
-- SPDX-License-Identifier: MIT
-- luacheck: std lua54
local here = arg[0]:match "^(.*)/world/[^/]*$" or ".."
package.path = here .. "/?.lua;" .. package.path

local cqueues = require "cqueues"
local journal = require "world.journal"
local net = require "world.net"
local dns = require "world.dns"
local smtp = require "world.smtp"
local socks = require "world.socks"
local certs = require "world.certs"
local tls = require "world.tls"

local directory = arg[1]
local script = dofile(directory .. "/script.lua")
local reply = assert(io.open(directory .. "/reply", "r+")) -- r+: opening waits for nobody
reply:setvbuf "line"
local log = journal.open(directory .. "/journal")
local loop = cqueues.new()
local world = { zones = {}, unlisted = script.unlisted }
local names = {} -- of hosts, for their certificates
local security = tls.new(certs.new(directory, names))
local mail = smtp.new(log, security)
local kept = {} -- sockets that only hold a port

local function spawn(fn)
  loop:wrap(function()
    local ok, err = xpcall(fn, debug.traceback)
    if not ok then
      log:add { kind = "error", text = tostring(err) }
      io.stderr:write(tostring(err), "\n")
    end
  end)
end

local function take_zones(zones)
  for name, entry in pairs(zones or {}) do
    world.zones[name:lower()] = entry or nil
  end
end

-- One socket for each host's each address, all on one port free on all of them.
local function bind_all(hosts)
  for _ = 1, 50 do
    local bound, port, clash = {}, 0, nil
    for _, one in ipairs(hosts) do
      local s, err = net.bound(one.ip, port, not one.script.refuse)
      if not s then
        clash = err
        assert(port ~= 0 and err:find "in use", one.ip .. ": " .. tostring(err))
        break
      end
      bound[#bound + 1] = s
      port = net.port(s)
    end
    if not clash then
      return bound, port
    end
    for _, s in ipairs(bound) do
      s:close()
    end
  end
  error "no port free on all addresses"
end

local function start_hosts()
  local hosts = {}
  for i, given in ipairs(script.hosts or {}) do
    names[i] = given.name or "host" .. i
    local ips = type(given.ip) == "table" and given.ip or { given.ip }
    for _, ip in ipairs(ips) do
      local one = {
        ip = ip, name = given.name or "host" .. i, script = given, seen = {},
        open = 0, most = 0, total = 0, admitted = 0,
      }
      hosts[#hosts + 1] = one
      mail.hosts[#mail.hosts + 1] = one
    end
  end
  for _, one in ipairs(hosts) do
    security:prepare(one.script)
  end
  if #hosts == 0 then
    hosts[1] = { ip = "127.0.0.1", script = { refuse = true } }
  end
  local bound, port = bind_all(hosts)
  for i, one in ipairs(hosts) do
    kept[#kept + 1] = bound[i]
    if one.script.blackhole then
      kept[#kept + 1] = net.blackhole(bound[i], one.ip)
    elseif not one.script.refuse then
      assert(bound[i]:listen(4096))
      spawn(function() mail:serve(one, bound[i], spawn) end)
    end
  end
  return port
end

local function start_nameservers()
  local servers = script.nameservers or 1
  if type(servers) == "number" then
    local n = servers
    servers = {}
    for i = 1, n do
      servers[i] = {}
    end
  end
  local answerer = dns.new(world, log)
  local ports = {}
  for i, server in ipairs(servers) do
    server.index = i
    ports[i] = answerer:listen(server, "127.0.0.1", spawn)
  end
  return ports
end

local function start_proxies()
  local ports = {}
  for i, one in ipairs(script.proxies or {}) do
    local listener = assert(net.bound("127.0.0.1", 0, not one.refuse))
    kept[#kept + 1], ports[i] = listener, net.port(listener)
    if not one.refuse then
      assert(listener:listen(1024))
      spawn(function() socks.new(one, i, log):serve(listener, spawn) end)
    end
  end
  return ports
end

local function answer(text)
  log:flush()
  reply:write(text, "\n")
end

local command = {}

-- Two turns of the loop: what was ready when the question came has been seen to.
function command.sync()
  cqueues.sleep(0)
  cqueues.sleep(0)
  answer("ok " .. log.n)
end

function command.wait(argument)
  local n, seconds = argument:match "^(%d+) (%S+)$"
  local start = log:now()
  log:wait(tonumber(n), tonumber(seconds))
  cqueues.sleep(0.005) -- what comes together is told together
  answer(("ok %.6f"):format(log:now() - start))
end

function command.open(name)
  local open, most, total = mail.open, mail.most, mail.next
  if name ~= "" then
    open, most, total = 0, 0, 0
    for _, host in ipairs(mail.hosts) do
      if host.name == name or host.ip == name then
        open, most, total = open + host.open, most + host.most, total + host.total
      end
    end
  end
  answer(("ok %d %d %d"):format(open, most, total))
end

function command.update(file)
  local given = dofile(file)
  take_zones(given.zones)
  for _, new in ipairs(given.hosts or {}) do
    local found
    for _, host in ipairs(mail.hosts) do
      if host.ip == new.ip or (not new.ip and host.name == new.name) then
        security:prepare(new)
        host.script, found = new, true
      end
    end
    if not found then
      return answer("no such host: " .. tostring(new.ip or new.name))
    end
  end
  answer "ok"
end

-- Commands, until the parent ends. It sends one and reads the answer before the next, so that a
-- line is never left behind in the buffer of io.read.
local function obey()
  while true do
    net.await(0, "r")
    local line = io.read "l"
    if not line then
      os.exit(true)
    end
    local verb, argument = line:match "^(%a+) ?(.*)$"
    command[verb](argument)
  end
end

take_zones(script.zones)
local port = start_hosts()
local ports = start_nameservers()
spawn(obey)
answer(("ready %d %s|%s"):format(port, table.concat(ports, " "), table.concat(start_proxies(), " ")))

local ends = cqueues.monotime() + (script.lifetime or 600)
while cqueues.monotime() < ends do
  assert(loop:step(math.max(0, ends - cqueues.monotime())))
  log:flush()
end
os.exit(true)
