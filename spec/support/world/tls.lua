-- STARTTLS of a mail world, from behind its 220: the handshake by LuaSec, and the ways a script can
-- let it go wrong. Everything about `tls` in a host's script that is not a reply.
--
-- Contexts are made once for each kind of certificate and version; a script that speaks of TLS has
-- them made before it is served. LuaSec cannot ask for renegotiation: world/renegotiate.lua does.
-- SPDX-License-Identifier: MIT
-- luacheck: std lua54
local net = require "world.net"
local renegotiate = require "world.renegotiate"

local tls = {}
tls.__index = tls

local PROTOCOLS = { ["TLSv1"] = "tlsv1", ["TLSv1.1"] = "tlsv1_1", ["TLSv1.2"] = "tlsv1_2", ["TLSv1.3"] = "tlsv1_3" }

-- Below 1.2, OpenSSL 3 wants to be told that its security level does not matter here.
local WEAK = { ["TLSv1"] = "ALL:@SECLEVEL=0", ["TLSv1.1"] = "ALL:@SECLEVEL=0" }

--- TLS with the certificates of a world (world/certs.lua).
function tls.new(certificates)
  return setmetatable({ certificates = certificates, contexts = {} }, tls)
end

--- A host's `tls`, as a table: `true` is an empty one.
function tls.ways(script)
  return script.tls == true and {} or script.tls or nil
end

--- The LuaSec context for these ways.
function tls:context(ways)
  local kind, version = ways.cert or "good", ways.versions or "any"
  local key = table.concat({ kind, ways.size or "", version }, " ")
  if not self.contexts[key] then
    local found, ssl = pcall(require, "ssl")
    assert(found, "a world with TLS needs LuaSec (lua-sec): " .. tostring(ssl))
    local certificate, private = self.certificates:files(kind, ways.size)
    self.contexts[key] = assert(ssl.newcontext {
      mode = "server", protocol = assert(version == "any" and "any" or PROTOCOLS[version], "no such version of TLS"),
      certificate = certificate, key = private, ciphers = WEAK[version], verify = "none",
      options = { "all", "no_sslv2", "no_sslv3" },
    })
  end
  return self.contexts[key]
end

--- Make ready what this host needs.
function tls:prepare(script)
  local ways = tls.ways(script)
  if ways then
    self:context(ways)
  end
end

-- What may go wrong, in place of the handshake. Each waits for the client's first octet: it has seen
-- the 220 then.
local misdeed = {
  stall = function(session, how)
    if how == "record" then -- the head of a record of 16 KiB, and too little of it
      session.connection:take()
      session.connection:write("\22\3\3\64\0" .. ("\0"):rep(100))
    end
    session.connection:pause(nil)
  end,
  garbage = function(session, octets)
    session.connection:take()
    session.connection:write(octets == true and "500 5.5.2 what?\r\n" or octets)
    session.connection:pause(nil)
  end,
  alert = function(session, number)
    session.connection:take()
    session.connection:write("\21\3\3\0\2\2" .. string.char(number))
    session:leave "server"
  end,
  close = function(session)
    session.connection:take()
    session:leave "server"
  end,
  reset = function(session)
    session.connection:take()
    session:leave "reset"
  end,
}

local function facts_of(secure)
  local info = secure:info()
  return { version = info.protocol, cipher = info.cipher, sni = secure:getsniname() or nil }
end

--- The client has been told to go on: shake hands on the session's connection, or not. Returns the
-- facts; raises as the session does when it is over.
function tls:start(session, ways)
  for name, run in pairs(misdeed) do
    if ways[name] then
      session:tell("tls", { failed = name })
      run(session, ways[name])
    end
  end
  local connection = session.connection
  if ways.renegotiate then
    local certificate, key = self.certificates:files(ways.cert or "good", ways.size)
    local facts
    session.connection, facts = renegotiate.start(connection, certificate, key, session.spawn)
    return facts
  end
  local ssl = require "ssl"
  local ok, err = connection:shake(assert(ssl.wrap(connection.socket, self:context(ways))))
  if not ok then
    session:tell("tls", { failed = err })
    error(net.gone, 0)
  end
  return facts_of(connection.socket)
end

return tls
