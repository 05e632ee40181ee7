-- SOCKS5 proxies of a mail world (RFC 1928, RFC 1929): CONNECT to addresses of loopback, and the
-- ways a proxy can fail.
--
-- It relays what both sides say and looks at nothing; the host behind it has its own events. Names
-- are refused (reply 8) and journalled, because nothing of ours may ever pass one.
-- SPDX-License-Identifier: MIT
-- luacheck: std lua54
local net = require "world.net"

local socks = {}
socks.__index = socks

-- What a proxy says of a failure (RFC 1928 6).
local CODES = {
  general = 1, ruleset = 2, network = 3, unreachable = 4, refused = 5, expired = 6, command = 7, address = 8,
}
local DEEDS = { silent = true, garbage = true, close = true, reset = true }
local GARBAGE = "HTTP/1.0 400 Bad Request\r\n\r\n"
local PATIENCE = 20 -- seconds for connecting to a target

--- A proxy as its script has it; `index` is which of them it is.
function socks.new(script, index, journal)
  return setmetatable({ script = script, index = index, journal = journal }, socks)
end

local visit = {} -- one client of a proxy
visit.__index = visit

function visit:say(octets)
  if not self.script.torn then
    return self.client:write(octets)
  end
  for i = 1, #octets do
    self.client:write(octets:sub(i, i))
    self.client:pause(0.001)
  end
end

function visit:tell(event)
  event.kind, event.proxy, event.peer, event.user = "proxy", self.proxy.index, self.client.peer, self.user
  self.proxy.journal:add(event)
end

function visit:leave(how)
  self.how = how
  error(net.gone, 0)
end

-- Do what the script says goes wrong at this stage: "greeting", "auth" or "request".
function visit:stage(name)
  local fail = self.script.fail
  if not DEEDS[fail] or (self.script.at or "request") ~= name then
    return
  end
  self:tell { failed = fail, stage = name }
  if fail == "silent" then
    self.client:pause(nil)
  elseif fail == "garbage" then
    self:say(GARBAGE)
    self.client:pause(nil)
  end
  self:leave(fail == "reset" and "reset" or nil)
end

-- RFC 1929. True when user and password are right.
function visit:check_user()
  local version = self.client:read(1):byte()
  local user = self.client:read(self.client:read(1):byte())
  local password = self.client:read(self.client:read(1):byte())
  self.user = user
  self:stage "auth"
  local script = self.script
  local right = version == 1 and script.fail ~= "auth" and user == script.user and password == (script.password or "")
  self:say(right and "\1\0" or "\1\1")
  return right
end

-- Versions and methods; true when the client may go on.
function visit:greet()
  local version, n = self.client:read(2):byte(1, 2)
  if version ~= 5 then
    self:tell { failed = "version" }
    return false
  end
  local methods = self.client:read(n)
  self:stage "greeting"
  local method = self.script.user and "\2" or "\0"
  if not methods:find(method, 1, true) or (self.script.fail == "auth" and not self.script.user) then
    self:tell { failed = "auth" }
    self:say "\5\255"
    return false
  end
  self:say("\5" .. method)
  if self.script.user and not self:check_user() then
    self:tell { failed = "auth" }
    return false
  end
  return true
end

local KINDS = { "ipv4", [3] = "name", [4] = "ipv6" }

-- The address asked for: its kind, its text, the port.
function visit:target()
  local kind = KINDS[self.client:read(1):byte()]
  local host
  if kind == "ipv4" then
    host = table.concat({ self.client:read(4):byte(1, 4) }, ".")
  elseif kind == "ipv6" then
    local groups = { string.unpack(">I2I2I2I2I2I2I2I2", self.client:read(16)) }
    groups[9] = nil
    for i, group in ipairs(groups) do
      groups[i] = ("%x"):format(group)
    end
    host = table.concat(groups, ":")
  elseif kind == "name" then
    host = self.client:read(self.client:read(1):byte())
  else
    return "unknown", "?", 0
  end
  return kind, host, (string.unpack(">I2", self.client:read(2)))
end

local function is_loopback(kind, host)
  return (kind == "ipv4" and host:find "^127%.") or (kind == "ipv6" and host == "0:0:0:0:0:0:0:1")
end

-- The end of a reply: the address the proxy connects from. Clients have no use for it, and must
-- know how long it is.
local BOUND = {
  ipv4 = "\1\127\0\0\1\4\210", ipv6 = "\4" .. ("\0"):rep(15) .. "\1\4\210",
  name = "\3" .. string.pack("s1", "proxy.example") .. "\4\210",
}

function visit:answer(code)
  return "\5" .. string.char(code) .. "\0" .. BOUND[self.script.bound or "ipv4"]
end

local ERRORS = { ["connection refused"] = CODES.refused, timeout = CODES.expired }

-- Connect as asked; the code of the reply, and the connection when it is 0.
function visit:reach(command, kind, host, port)
  local fail = self.script.fail
  if fail and fail ~= "auth" then
    return CODES[fail] or math.tointeger(fail) or error("no such failure of a proxy: " .. tostring(fail), 0)
  elseif command ~= 1 then
    return CODES.command
  elseif kind ~= "ipv4" and kind ~= "ipv6" then
    return CODES.address
  elseif not is_loopback(kind, host) then
    return CODES.ruleset
  end
  local there, err = net.connect(host, port, self.script.patience or PATIENCE)
  if not there then
    return ERRORS[err] or CODES.unreachable
  end
  return 0, there
end

-- From one to the other until the first ends; then the other is told.
local function pump(from, to)
  local ok, err = pcall(function()
    while true do
      to:write(from:take())
    end
  end)
  if not ok and err ~= net.gone then
    error(err, 0)
  end
  if to.socket then
    to:finish()
  end
end

function visit:run()
  if not self:greet() then
    return
  end
  local version, command = self.client:read(3):byte(1, 2)
  local kind, host, port = self:target()
  local target = kind == "ipv6" and ("[%s]:%d"):format(host, port) or host .. ":" .. port
  self:stage "request"
  local code, there = 1, nil
  if version == 5 then
    code, there = self:reach(command, kind, host, port)
  end
  local via = there and there:here() or nil
  self:tell { type = kind, target = target, code = code, via = via }
  if not there then
    return self:say(self:answer(code))
  end
  self.there = there
  local said = self:answer(0)
  if self.script.together then
    self.client:write(said .. there:take())
  else
    self:say(said)
  end
  local back = { done = false }
  self.spawn(function()
    pump(there, self.client)
    back.done = true
    if back.waited then
      self:close()
    end
  end)
  pump(self.client, there)
  back.waited = true
  return back.done
end

function visit:close()
  self.client:close(self.how)
  if self.there then
    self.there:close()
  end
end

--- Serve clients; `spawn` runs a function in a coroutine of the loop.
function socks:serve(listener, spawn)
  net.accept(listener, function(client)
    spawn(function()
      local one = setmetatable({ proxy = self, script = self.script, client = client, spawn = spawn }, visit)
      local ok, over = pcall(one.run, one)
      if not ok or not one.there or over then
        one:close() -- else the way back closes both when it ends
      end
      assert(ok or over == net.gone, over)
    end)
  end)
end

return socks
