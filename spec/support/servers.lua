--- Real DNS and mail servers on loopback, for the specs tagged `#integration` and for bench/.
--
-- `make servers` has unpacked them into build/servers; servers/run.sh runs them, in namespaces of
-- their own, for as long as this process holds the other end of its standard input. Nothing here
-- knows rcpt: it gives addresses, ports and logs. Lua 5.4 and LuaJIT, nothing but `io` and `os`.
--
--    local world = servers.start()               -- once per process; later calls give the same
--    world.nameserver_knot, world.nameserver_unbound, world.port
--    world:options { level = "dns" }              -- an options table for rcpt.new
--    world:stop()
--
-- SPDX-License-Identifier: MIT
-- @module spec.support.servers
local assert, error, ipairs, pairs, setmetatable, tonumber = assert, error, ipairs, pairs, setmetatable, tonumber
local io, os, table = io, os, table
local servers = {}

local SCRIPT = "spec/support/servers/run.sh"
local TREE = "build/servers"
local PORTS = { first = 20000, last = 31990 }    -- below what the kernel gives to clients
local TRIES = 3                                  -- another process may take a port before us
local PATIENCE = 10                              -- seconds until a log shows what it must
local KEY = "spec.support.servers.world"         -- in the registry: busted reloads modules per file

local world = {}
world.__index = world

-- What a sanitizer preloads is for us, not for the servers nor the tools.
local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end
local function clean(command) return "unset LD_PRELOAD; " .. command end

local function succeeds(command)
  local ok = os.execute(clean(command) .. " >/dev/null 2>&1")
  return ok == true or ok == 0
end

local function output(command)
  local pipe = assert(io.popen(clean(command), "r"))
  local text = pipe:read("*a")
  pipe:close()
  return text
end

local function contents(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read("*a")
  file:close()
  return text or ""
end

-- Local ports that anything on this machine holds now, as a set.
local function taken()
  local set = {}
  for _, name in ipairs { "tcp", "tcp6", "udp", "udp6" } do
    for port in contents("/proc/net/" .. name):gmatch("\n%s*%d+: %x+:(%x+)") do
      set[tonumber(port, 16)] = true
    end
  end
  return set
end

-- The first of `n` free ports in a row.
local function free_ports(n)
  local random = assert(io.open("/dev/urandom", "rb"))
  local used, range = taken(), PORTS.last - PORTS.first
  for _ = 1, 1000 do
    local high, low = random:read(2):byte(1, 2)
    local port, free = PORTS.first + (high * 256 + low) % range, true
    for each = port, port + n - 1 do free = free and not used[each] end
    if free then
      random:close()
      return port
    end
  end
  random:close()
  error("no free port between " .. PORTS.first .. " and " .. PORTS.last)
end

local function new_folder()
  return output("mktemp -d"):match("%S+") or error("mktemp gives no folder")
end

-- Start run.sh with its input ours and its output a pipe in `folder`; closing the first ends it.
local function launch(folder, arguments)
  local fifo = folder .. "/out"
  if not succeeds("mkfifo " .. quoted(fifo)) then error("no pipe in " .. folder) end
  local hold = assert(io.popen(clean("exec bash " .. SCRIPT .. " " .. arguments .. " >" .. quoted(fifo)), "w"))
  return hold, assert(io.open(fifo, "r"))
end

--- Why real servers cannot run here.
-- @treturn ?string nil when they can
function servers.lacking()
  if contents(TREE .. "/stamp") == "" then return TREE .. " is not there: make servers" end
  if not succeeds("unshare -m -p --fork --kill-child --mount-proc mount -t tmpfs none /mnt") then
    return "namespaces are not permitted here (they take root)"
  end
end

--- Should this spec file be left out? Where it must, `pending` is told so, once and by name.
-- Under CI=true nothing is left out: the specs then fail at start().
-- @tparam function pending busted's
-- @tparam string name what is left out
-- @treturn boolean
function servers.left_out(pending, name)
  local why = servers.lacking()
  if not why or os.getenv("CI") == "true" then return false end
  pending(name .. ": " .. why)
  return true
end

local function try(port)
  local folder = new_folder()
  local hold, out = launch(folder, "world " .. quoted(folder) .. " " .. port)
  local said = {}
  for line in out:lines() do
    said[#said + 1] = line
    if line == "ready" then break end
  end
  out:close()
  if said[#said] ~= "ready" then
    hold:close()
    return nil, table.concat(said, "\n")
  end
  return setmetatable({
    folder = folder, hold = hold, port = port,
    nameserver_knot = "127.0.0.1:" .. port + 1,
    nameserver_unbound = "127.0.0.1:" .. port + 2,
  }, world)
end

--- The world of real servers, started on the first call in this process.
-- @treturn table the world
-- @raise when it cannot be started, with the ends of the servers' logs
function servers.start()
  local registry = debug.getregistry()
  if registry[KEY] then return registry[KEY] end
  local why = servers.lacking()
  if why then error("real servers: " .. why, 2) end
  local started
  for _ = 1, TRIES do
    started, why = try(free_ports(3))
    if started then
      registry[KEY] = started
      return started
    end
  end
  error("real servers: " .. why, 2)
end

--- Options for `rcpt.new` to ask this world, through unbound.
-- @tparam ?table extra more options, or others
-- @treturn table a fresh table
function world:options(extra)
  local options = {
    helo = "probe.example", sender = "user@probe.example", level = "rcpt",
    nameservers = { self.nameserver_unbound }, port = self.port, allow_nets = { "127.0.0.0/8" },
  }
  for name, value in pairs(extra or {}) do options[name] = value end
  return options
end

--- What a server has logged so far: `postfix`, `exim`, `opensmtpd`, `unbound`, `knot`.
-- @treturn string
function world:log(name)
  return contents(self.folder .. "/log/" .. name .. ".log")
end

--- Wait until a server's log, from octet `from` on, has a line with `pattern`.
-- @tparam string name
-- @tparam string pattern an extended regular expression
-- @tparam[opt=0] int from octets of the log to pass over: `#world:log(name)` before the question
-- @treturn ?string the log from there on; nil when nothing like it came in 10 s
function world:logged(name, pattern, from)
  from = from or 0
  local path = self.folder .. "/log/" .. name .. ".log"
  if not succeeds(table.concat({ "exec bash", SCRIPT, "watch", PATIENCE, quoted(path), from + 1,
      quoted(pattern) }, " ")) then
    return nil
  end
  return self:log(name):sub(from + 1)
end

--- End the servers and wait until they are gone. A process that ends without this is noticed.
function world:stop()
  if not self.hold then return end
  self.hold:close()
  self.hold = nil
  debug.getregistry()[KEY] = nil
end

--- Run Postfix's smtp-sink on loopback; it needs no root and no namespace.
-- @tparam ?table arguments its options, such as `{ "-w", "1" }`
-- @treturn table `port`, `pid` and `stop()`
-- @raise when it cannot be started
function servers.sink(arguments)
  if contents(TREE .. "/stamp") == "" then error(TREE .. " is not there: make servers", 2) end
  local options, line = {}, nil
  for i, each in ipairs(arguments or {}) do options[i] = quoted(each) end
  for _ = 1, TRIES do
    local folder, port = new_folder(), free_ports(1)
    local hold, out = launch(folder, "sink " .. port .. " " .. table.concat(options, " "))
    os.remove(folder .. "/out")
    os.remove(folder)
    line = out:read("*l") or "nothing was said"
    out:close()
    local pid = line:match("^ready sink (%d+)$")
    if pid then
      return {
        port = port, pid = tonumber(pid),
        stop = function() if hold then hold = hold:close() and nil end end,
      }
    end
    hold:close()
  end
  error("smtp-sink: " .. line, 2)
end

return servers
