-- Sockets for the mail world: LuaSocket's, never blocking, waited for by cqueues (epoll, so that
-- a thousand connections are no trouble; LuaSocket's own select() is not used). TLS is LuaSec's, on
-- the same descriptor; it is loaded by world/tls.lua only, so that a world without TLS needs none.
--
-- A connection raises `net.gone` when the peer went away; whoever serves it catches that once, at
-- the top. What was read and not yet asked for is bounded by MOST.
-- SPDX-License-Identifier: MIT
-- luacheck: std lua54
local cqueues = require "cqueues"
local socket = require "socket"

local net = { gone = setmetatable({}, { __tostring = function() return "gone" end }) }

local MOST = 1048576 -- octets a peer may send ahead of our reading

-- What LuaSocket and LuaSec call "not yet", and the event that ends it.
local NOT_YET = { timeout = true, wantread = "r", wantwrite = "w" }

--- Wait until the descriptor is ready for `events` ("r", "w") or the time is over; true if ready.
local function await(fd, events, seconds)
  local object = { pollfd = fd, events = events }
  if not seconds then
    return cqueues.poll(object) == object
  end
  return cqueues.poll(object, seconds) == object
end
net.await = await

local function family(ip)
  return ip:find(":", 1, true) and "6" or "4"
end

--- A TCP socket bound to ip:port (0: any), not listening. nil, message when it could not be.
function net.bound(ip, port, shared)
  local s, err = socket["tcp" .. family(ip)]()
  if not s then
    return nil, err
  end
  if shared then
    s:setoption("reuseaddr", true)
  end
  local ok
  ok, err = s:bind(ip, port)
  if not ok then
    s:close()
    return nil, err
  end
  s:settimeout(0)
  return s
end

--- A UDP socket bound to ip:port. nil, message when it could not be.
function net.udp(ip, port)
  local s, err = socket["udp" .. family(ip)]()
  if not s then
    return nil, err
  end
  local ok
  ok, err = s:setsockname(ip, port)
  if not ok then
    s:close()
    return nil, err
  end
  pcall(s.setoption, s, "recv-buffer-size", 4194304)
  s:settimeout(0)
  return s
end

--- The port a socket is bound to.
function net.port(s)
  local _, port = s:getsockname()
  return math.tointeger(tonumber(port))
end

--- Close a socket the loop has been waiting for.
function net.close(s)
  local fd = s:getfd()
  if fd >= 0 then
    cqueues.cancel(fd)
  end
  s:close()
end

--- Make a bound socket a host that never answers: its queue of connections is full, so the kernel
-- drops every further SYN, as a firewall would. Needs no privilege. Returns what must be kept.
function net.blackhole(s, ip)
  assert(s:listen(0))
  local kept = {}
  for i = 1, 4 do
    kept[i] = socket["tcp" .. family(ip)]()
    kept[i]:settimeout(0)
    kept[i]:connect(ip, net.port(s))
  end
  return kept
end

--- A connection of a connected socket.
function net.wrap(s)
  s:settimeout(0)
  s:setoption("tcp-nodelay", true)
  local ip, port = s:getpeername()
  return setmetatable({
    socket = s, fd = s:getfd(), buffer = "", ended = false, sent = 0,
    peer = ip and ip .. ":" .. port or "?",
  }, net.connection)
end

--- Connect to ip:port within so many seconds; a connection, or nil and why not.
function net.connect(ip, port, seconds)
  local s, err = socket["tcp" .. family(ip)]()
  if not s then
    return nil, err
  end
  s:settimeout(0)
  local ok
  ok, err = s:connect(ip, port)
  if not ok and err == "timeout" then
    if await(s:getfd(), "w", seconds) then
      err = s:getoption "error"
      ok = not err
    end
  end
  if ok then
    return net.wrap(s)
  end
  net.close(s)
  return nil, err
end

--- Accept for ever; each connection goes to serve(connection), which must not yield.
function net.accept(listener, serve)
  local fd = listener:getfd()
  while true do
    local s, err = listener:accept()
    if s then
      serve(net.wrap(s))
    elseif err == "timeout" then
      await(fd, "r")
    else
      cqueues.sleep(0.05) -- out of descriptors, say: the queue stays readable meanwhile
    end
  end
end

local connection = {}
connection.__index = connection
net.connection = connection

--- Take what has arrived, without waiting. False once the peer has ended or reset.
function connection:fill()
  while not self.ended and #self.buffer < MOST do
    local data, err, part = self.socket:receive(8192)
    local got = data or part
    if got and #got > 0 then
      self.buffer = self.buffer .. got
    end
    if NOT_YET[err] then
      break
    elseif err then
      self.ended = true
    end
  end
  return not self.ended
end

--- Pass `seconds` (nil: for ever); raises `gone` at once when the peer leaves meanwhile.
function connection:pause(seconds)
  local deadline = seconds and cqueues.monotime() + seconds
  while true do
    local left = deadline and deadline - cqueues.monotime()
    if left and left <= 0 then
      return
    end
    if #self.buffer >= MOST then
      cqueues.sleep(left or 1)
    elseif await(self.fd, "r", left) and not self:fill() then
      error(net.gone, 0)
    end
  end
end

--- `n` octets, or up to and including a line feed when n is nil; raises `gone` at the end. nil
-- when `seconds` (nil: for ever) passed without them.
function connection:read(n, seconds)
  local deadline = seconds and cqueues.monotime() + seconds
  while true do
    local last = n or self.buffer:find("\n", 1, true) or (#self.buffer >= MOST and MOST)
    if last and #self.buffer >= last then
      local got = self.buffer:sub(1, last)
      self.buffer = self.buffer:sub(last + 1)
      return got
    end
    if self.ended or not self:fill() then
      if not (self.buffer:find("\n", 1, true) or (n and #self.buffer >= n)) then
        error(net.gone, 0)
      end
    elseif not (self.buffer:find("\n", 1, true) or (n and #self.buffer >= n)) then
      local left = deadline and deadline - cqueues.monotime()
      if left and left <= 0 then
        return nil
      end
      await(self.fd, "r", left)
    end
  end
end

--- Everything that has come, once there is something; raises `gone` at the end.
function connection:take()
  while #self.buffer == 0 do
    if not self:fill() and #self.buffer == 0 then
      error(net.gone, 0)
    elseif #self.buffer == 0 then
      await(self.fd, "r")
    end
  end
  local got = self.buffer
  self.buffer = ""
  return got
end

--- Send all of it; raises `gone` when the peer will not have it.
function connection:write(data)
  local at = 1
  while at <= #data do
    local last, err, part = self.socket:send(data, at)
    self.sent = self.sent + math.tointeger(last or part) - at + 1
    if last then
      return
    elseif not NOT_YET[err] then
      error(net.gone, 0)
    end
    at = math.tointeger(part) + 1
    await(self.fd, err == "wantread" and "r" or "w")
  end
end

--- Our own address and port.
function connection:here()
  local ip, port = self.socket:getsockname()
  return ip .. ":" .. port
end

--- Say that no more will be sent; reading goes on.
function connection:finish()
  self.socket:shutdown "send"
end

--- From here on the octets are those of `secure`, a LuaSec object just made of self.socket, of
-- which it took the descriptor. Shakes hands; true, or nil and why it failed.
function connection:shake(secure)
  self.plain, self.socket = self.socket, secure
  self.plain:setfd(self.fd) -- two objects share the descriptor: see close()
  secure:settimeout(0)
  while true do
    local ok, err = secure:dohandshake()
    if ok then
      return true
    elseif type(NOT_YET[err]) ~= "string" then
      return nil, err
    end
    await(self.fd, NOT_YET[err])
  end
end

-- Close what TLS was spoken on: with its close_notify, or without one word. LuaSec's close() blocks
-- until close_notify is sent, so there must be room for it.
function connection:close_tls(how)
  if how or self.ended or not await(self.fd, "w", 1) then
    cqueues.cancel(self.fd)
    self.plain:close() -- what LuaSec does now ends in EBADF, nobody has got the number yet
  else
    cqueues.cancel(self.fd)
    self.plain:setfd(-1)
  end
  self.socket:close()
end

--- Close. How: "reset", so that the peer sees a RST and not an end; "bare": TLS without its
-- close_notify, as a broken connection ends; nil: in good order.
function connection:close(how)
  if not self.socket then
    return
  end
  if how == "reset" then
    (self.plain or self.socket):setoption("linger", { on = true, timeout = 0 })
  end
  if self.plain then
    self:close_tls(how)
  else
    net.close(self.socket)
  end
  self.socket, self.plain = nil, nil
end

return net
