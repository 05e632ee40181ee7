--- Real DNS, mail and proxy servers on loopback, for the specs tagged `#integration` and for bench/.
--
-- `make servers` has unpacked them into build/servers; servers/run.sh runs them, in namespaces of
-- their own, for as long as this process holds the other end of its standard input. Nothing here
-- knows rcpt: it gives addresses, ports and logs. Lua 5.4 and LuaJIT, nothing but `io` and `os`.
--
--    local world = servers.start()               -- once per process; later calls give the same
--    world.nameserver_knot, world.nameserver_unbound, world.port
--    world.ca_file                                -- who signed the servers' certificates
--    world.proxy, world.open_proxy                -- SOCKS5: { host=, port=, user=, password= }
--    world:options { level = "dns" }              -- an options table for rcpt.new
--    local source = world:source()                -- to connect from: the servers' logs know us by it
--    world:connections("must", source)            -- to mx.must.example
--    world:stop()
--
-- The mail servers are `servers.hosts`; each has a domain of its own, `must.example`, in which `user`,
-- `user1`, `user2` ... exist and `nobody` does not. What is special about each stands in servers/conf.
--
-- SPDX-License-Identifier: MIT
-- @module spec.support.servers
local assert, error, ipairs, pairs, setmetatable, tonumber = assert, error, ipairs, pairs, setmetatable, tonumber
local io, os, table = io, os, table
local sessions = require "spec.support.servers.sessions"
local servers = {}

local SCRIPT = "spec/support/servers/run.sh"
local TREE = "build/servers"
local PORTS = { first = 20000, last = 31990 }    -- below what the kernel gives to clients
local TRIES = 3                                  -- another process may take a port before us
local PATIENCE = 10                              -- seconds until a log shows what it must
local KEY = "spec.support.servers.world"         -- in the registry: busted reloads modules per file

--- The mail servers: mx.NAME.example, who serves it and where. Only IPv4; all on one port.
servers.hosts = {}
for server, list in pairs {
  postfix = { postfix = 1, shared = 4, must = 11, may = 12, selfsigned = 13, wrongname = 14, expired = 15,
    oldtls = 16, badkey = 17, brokenmust = 18, broken = 19, one = 21, three = 22, crowded = 23, strict = 24, junk = 25,
    patient = 26, bare = 27 },
  exim = { exim = 2, eximtls = 31, eximone = 32, eximthree = 33, eximmails = 34, lockstep = 35 },
  opensmtpd = { opensmtpd = 3, opentls = 41, openmust = 42 },
} do
  for name, last in pairs(list) do servers.hosts[name] = { server = server, ip = "127.0.2." .. last } end
end

-- Where the proxies connect from, as servers/run.sh says.
servers.proxy_source, servers.open_proxy_source = "127.0.77.1", "127.0.77.2"

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
  local stamp = contents(TREE .. "/stamp")
  if stamp == "" then return TREE .. " is not there: make servers" end
  if not stamp:find("openssl", 1, true) then return TREE .. " is older than these specs: make servers" end
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
    folder = folder, hold = hold, port = port, marks = 0, sources = {}, starts = {},
    ca_file = folder .. "/etc/ca.pem",
    proxy = { host = "127.0.0.1", port = port + 3, user = "proxy", password = "pass word" },
    open_proxy = { host = "127.0.2.51", port = port + 3 },
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
    started, why = try(free_ports(4))
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

--- What a server has logged so far: `postfix`, `exim`, `opensmtpd`, `unbound`, `knot`, `microsocks`,
-- `open_microsocks`.
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

-- A source is 127.0.NET.n; Postfix tells word for word what clients in the watched one say.
local NETS = { plain = 33, watched = 34 }

--- An address that nobody has connected from, for a client that the logs shall tell from others.
-- @tparam ?string kind "watched": Postfix too logs every word; it costs time
-- @treturn string
function world:source(kind)
  local net = NETS[kind or "plain"] or error("a source is plain or watched", 2)
  local n = (self.sources[net] or 0) + 1
  if n > 254 then error("all of 127.0." .. net .. ".0/24 is used up", 2) end
  self.sources[net] = n
  local source = "127.0." .. net .. "." .. n
  self.starts[source] = {}
  for _, server in ipairs { "postfix", "exim", "opensmtpd" } do self.starts[source][server] = #self:log(server) end
  return source
end

--- Say something to a mail server, command by command, each after the reply to the one before; from 127.0.0.1.
-- @tparam string host one of `servers.hosts`
-- @tparam {string,...} commands
-- @treturn {string,...} the replies, the greeting first, until it hangs up; the lines of one with "\n" in between
function world:talk(host, commands)
  local words = { "exec bash", SCRIPT, "talk", servers.hosts[host].ip, self.port }
  for _, command in ipairs(commands) do words[#words + 1] = quoted(command) end
  local replies = {}
  for reply in output(table.concat(words, " ")):gmatch("([^%z]+)%z") do
    replies[#replies + 1] = reply:gsub("\r", "")
  end
  return replies
end

--- What OpenSSL's own client says of a server's STARTTLS.
-- @tparam string host one of `servers.hosts`
-- @tparam ?string options more of s_client's
-- @treturn ?table `version`, `cipher`, `verified`: "OK" or why not; nil when the handshake fails
function world:handshake(host, options)
  local text = output(("OPENSSL_CONF=%s/etc/openssl.cnf timeout %d %s/openssl/usr/bin/openssl s_client -brief "
    .. "-starttls smtp -name probe.example -servername mx.%s.example -verify_hostname mx.%s.example "
    .. "-connect %s:%d -CAfile %s %s </dev/null 2>&1"):format(SCRIPT:match("^(.*)/"), PATIENCE, TREE, host, host,
      servers.hosts[host].ip, self.port, quoted(self.ca_file), options or ""))
  local version, cipher = text:match("Protocol version: (%S+)"), text:match("Ciphersuite: (%S+)")
  if not version then return nil end
  return { version = version, cipher = cipher,
    verified = text:match("Verification: (%S+)") or text:match("Verification error: ([^\n]+)") }
end

-- Wait until a server has written down all that was before now: what we say last comes last in its log.
-- No QUIT: Exim takes 0.2 s to answer it.
local function settle(self, server)
  self.marks = self.marks + 1
  local mark, from = "mark" .. self.marks .. "@nowhere.invalid", #self:log(server)
  self:talk(server, { "EHLO localhost", "MAIL FROM:<>", "RCPT TO:<" .. mark .. ">" })
  if not self:logged(server, mark:gsub("%.", "\\."), from) then
    error(server .. " has not logged " .. mark, 3)
  end
end

local ENDS = {
  postfix = "disconnect from [^ ]*\\[%s\\]", exim = "Exim pid=[0-9]+ .* terminating",
  opensmtpd = "smtp disconnected",
}

--- The sessions of a client with a mail server, once all of them have ended: see `spec.support.servers.sessions`.
-- @tparam string host one of `servers.hosts`
-- @tparam string source of `world:source()`; for another address the whole log is read
-- @treturn {table,...} in the order of their beginning
-- @raise when one of them does not end in 10 s
function world:sessions(host, source)
  local server = (servers.hosts[host] or error("no host '" .. host .. "'", 2)).server
  settle(self, server)
  local from = (self.starts[source] or {})[server] or 0
  while true do
    local log = self:log(server)
    local list, open = sessions.read(server, log:sub(from + 1), host, source), nil
    for _, session in ipairs(list) do open = open or (not session.over and session) end
    if not open then return list end
    if not self:logged(server, ENDS[server]:format((source:gsub("%.", "\\."))), #log) then
      error("still open: " .. sessions.text(open), 2)
    end
  end
end

--- How many connections a mail server had from a client; asked when all have ended.
function world:connections(host, source)
  return #self:sessions(host, source)
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
