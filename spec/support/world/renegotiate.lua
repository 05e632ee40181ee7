-- A TLS 1.2 server that asks for renegotiation: LuaSec cannot, `openssl s_server` can.
--
-- One s_server process a connection. It is the TLS end; we carry its octets to and from the client, and
-- its standard input and output come back to us as a connection of plain text (bash opens that, since
-- io.popen goes one way only). What s_server says for itself is told from SMTP by the verbs.
-- SPDX-License-Identifier: MIT
-- luacheck: std lua54
local net = require "world.net"

local renegotiate = {}

local SERVER = [[for f in /proc/$$/fd/*; do n=${f##*/}; [ "$n" -le 2 ] || eval "exec $n>&-"; done
exec 3<>/dev/tcp/127.0.0.1/%d
exec timeout 600 openssl s_server -accept 127.0.0.1:0 -naccept 1 -tls1_2 -cert %s -key %s <&3 >&3 2>/dev/null 3>&-]]

local VERBS = {}
for verb in ("EHLO HELO MAIL RCPT RSET VRFY NOOP QUIT STARTTLS DATA BDAT"):gmatch "%S+" do
  VERBS[verb] = true
end

-- Carry octets until one side ends; then both are over.
local function carry(from, to)
  local ok, err = pcall(function()
    while true do
      to:write(from:take())
    end
  end)
  assert(ok or err == net.gone, err)
  if to.socket then
    to:finish()
  end
end

-- Start s_server; the connection its standard input and output are.
local function console(certificate, key)
  local listener = assert(net.bound("127.0.0.1", 0))
  assert(listener:listen(1))
  local command = SERVER:format(net.port(listener), certificate, key):gsub("'", "'\\''")
  assert(os.execute(("bash -c '%s' &"):format(command)))
  net.await(listener:getfd(), "r")
  local made = net.wrap(assert(listener:accept()))
  net.close(listener)
  return made
end

local function line_of(text, pattern)
  local found
  repeat
    found = text:read():match(pattern)
  until found
  return found
end

-- Commands only: s_server prints facts between them.
local function read_commands(text)
  local read = text.read
  function text.read(self, n, seconds)
    while true do
      local line = read(self, n, seconds)
      if not line or VERBS[(line:match "^%a+" or ""):upper()] then
        return line
      end
    end
  end
end

--- Serve TLS on `client` by a process; `spawn` runs a function in a coroutine of the loop. Returns the
-- connection on which the client's words come in the clear, and the facts, once the handshake is
-- done and renegotiation asked for.
function renegotiate.start(client, certificate, key, spawn)
  local text = console(certificate, key)
  local port = line_of(text, "^ACCEPT 127%.0%.0%.1:(%d+)")
  local server = assert(net.connect("127.0.0.1", tonumber(port), 5))
  local sides = 2
  local function one(from, to)
    carry(from, to)
    sides = sides - 1
    if sides == 0 then
      client:close()
      server:close()
    end
  end
  spawn(function() one(client, server) end)
  spawn(function() one(server, client) end)
  local cipher = line_of(text, "^CIPHER is (%S+)")
  text:write "r\n"
  read_commands(text)
  return text, { version = "TLSv1.2", cipher = cipher }
end

return renegotiate
