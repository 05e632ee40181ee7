--- A raw SMTP client for specs of the world: LuaSocket and LuaSec, blocking, five seconds patient.
-- It knows nothing of SMTP but where a reply ends.
-- SPDX-License-Identifier: MIT
local socket = require "socket"

local raw = {}
raw.__index = raw

local open = {} -- what close_all() closes

--- Connect to ip:port; raises where that fails.
function raw.connect(ip, port)
  local s = assert((ip:find ":" and socket.tcp6 or socket.tcp4)())
  s:settimeout(5)
  assert(s:connect(ip, port))
  local c = setmetatable({ s = s }, raw)
  open[#open + 1] = c
  return c
end

--- Close all connections made so far.
function raw.close_all()
  for _, c in ipairs(open) do
    c.s:close()
  end
  open = {}
end

--- One reply, its lines joined by "|"; or nil and why not.
function raw:hear()
  local out = {}
  repeat
    local line, err = self.s:receive "*l"
    if not line then
      return nil, err
    end
    out[#out + 1] = line
  until line:sub(4, 4) ~= "-"
  return table.concat(out, "|")
end

--- Send a line, hear one reply.
function raw:say(line)
  self.s:send(line .. "\r\n")
  return self:hear()
end

--- Wait until there is something to read; the error the socket has got then, or nil.
function raw:fate()
  socket.select({ self.s }, nil, 5)
  local look = socket.tcp()
  look:close()
  look:setfd(self.s:getfd()) -- LuaSec's objects have no getoption
  local err = look:getoption "error"
  look:setfd(-1)
  return err
end

--- Past greeting, EHLO and MAIL.
function raw.greeted(ip, port, sender)
  local c = raw.connect(ip, port)
  assert(c:hear())
  assert(c:say "EHLO probe.example")
  assert(c:say("MAIL FROM:<" .. (sender or "user@probe.example") .. ">"))
  return c
end

--- Shake hands on what is connected; true, or nil and why not. `options` are LuaSec's, over no
-- verification and any version; `name` is for SNI.
function raw:shake(name, options)
  local ssl = require "ssl"
  local wanted = { mode = "client", protocol = "any", verify = "none", options = { "all" } }
  for key, value in pairs(options or {}) do
    wanted[key] = value
  end
  local secure = assert(ssl.wrap(self.s, wanted))
  self.s = secure
  secure:settimeout(wanted.patience or 5)
  if name then
    secure:sni(name)
  end
  local ok, err = secure:dohandshake()
  return ok or nil, err
end

--- EHLO, STARTTLS, the handshake; raises where that fails.
function raw.secured(ip, port, name, options)
  local c = raw.connect(ip, port)
  assert(c:hear())
  assert(c:say "EHLO probe.example")
  local said = c:say "STARTTLS"
  assert(said:find "^220", said)
  assert(c:shake(name, options))
  return c
end

return raw
