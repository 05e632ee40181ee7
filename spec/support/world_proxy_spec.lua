-- The fakes themselves: SOCKS5 proxies, as a raw client sees them (RFC 1928, RFC 1929).
-- SPDX-License-Identifier: MIT
local socket = require "socket"
local World = require "spec.support.world"

describe("a proxy of a mail world", function()
  local w, open

  setup(function()
    w = World.start {
      hosts = {
        { ip = "127.0.1.1", name = "mx.one.example" }, { ip = "::1", name = "mx.six.example" },
        { ip = "127.0.1.3", refuse = true }, { ip = "127.0.1.4", blackhole = true },
      },
      proxies = {
        {}, { user = "me", password = "secret" }, { fail = "auth" }, { fail = "ruleset" }, { fail = "refused" },
        { fail = "unreachable" }, { fail = "silent" }, { fail = "garbage" }, { fail = "close", at = "greeting" },
        { torn = true }, { together = true, bound = "ipv6" }, { bound = "name" }, { refuse = true },
        { user = "me", password = "secret", fail = "auth" }, { fail = "reset" }, { fail = 9 }, { patience = 0.1 },
        { user = "me", fail = "close", at = "auth" },
      },
    }
  end)

  before_each(function() open = {} end)
  after_each(function()
    for _, s in ipairs(open) do
      s:close()
    end
  end)
  teardown(function() w:stop() end)

  local function connect(index)
    local s = socket.tcp4()
    s:settimeout(5)
    open[#open + 1] = s
    local ok, err = s:connect("127.0.0.1", tonumber(w.proxies[index]:match ":(%d+)$"))
    return ok and s, err
  end

  local function ask(s, method, octets, reply)
    s:send("\5\1" .. method)
    assert.equal("\5" .. method, s:receive(2))
    s:send(octets)
    return s:receive(reply or 10)
  end

  -- CONNECT to an IPv4 address and the world's port, or one given.
  local function request(ip, port)
    local a, b, c, d = ip:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
    port = port or w.port
    return "\5\1\0\1" .. string.char(a, b, c, d, math.floor(port / 256), port % 256)
  end

  local function last(kind)
    local journal = w:journal()
    for i = #journal, 1, -1 do
      if journal[i].kind == kind then
        return journal[i]
      end
    end
  end

  it("relays to the host asked for, and ends with it", function()
    local s = connect(1)
    assert.equal("\5\0\0\1\127\0\0\1\4\210", ask(s, "\0", request "127.0.1.1"))
    assert.equal("220 mx.one.example ESMTP", s:receive "*l")
    s:send "QUIT\r\n"
    assert.equal("221 2.0.0 bye", s:receive "*l")
    assert.same({ nil, "closed", "" }, { s:receive "*l" })
    local event = last "proxy"
    assert.same({ 1, "ipv4", "127.0.1.1:" .. w.port, 0 }, { event.proxy, event.type, event.target, event.code })
    assert.equal(last("connect").peer, event.via)
  end)

  it("tells the host when the client leaves", function()
    local s = connect(1)
    ask(s, "\0", request "127.0.1.1")
    s:receive "*l"
    s:close()
    local conn = last("connect").conn
    assert.truthy(w:wait(function()
      local event = last "close"
      return event and event.conn == conn and event.by == "client"
    end, 5))
  end)

  it("reaches ::1", function()
    local s = connect(1)
    local octets = "\5\1\0\4" .. ("\0"):rep(15) .. "\1" .. string.char(math.floor(w.port / 256), w.port % 256)
    assert.equal("\5\0", ask(s, "\0", octets):sub(1, 2))
    assert.equal("220 mx.six.example ESMTP", s:receive "*l")
    assert.same({ "ipv6", "[0:0:0:0:0:0:0:1]:" .. w.port }, { last("proxy").type, last("proxy").target })
  end)

  it("refuses what is not on loopback, names, and all but CONNECT", function()
    assert.equal("\5\2", ask(connect(1), "\0", request "192.0.2.1"):sub(1, 2))
    assert.equal("\5\8", ask(connect(1), "\0", "\5\1\0\3\9localhost\0\25"):sub(1, 2))
    assert.same({ "name", "localhost:25" }, { last("proxy").type, last("proxy").target })
    local bind = request("127.0.1.1"):gsub("^\5\1", "\5\2")
    assert.equal("\5\7", ask(connect(1), "\0", bind):sub(1, 2))
  end)

  it("says why it could not connect", function()
    assert.equal("\5\5", ask(connect(1), "\0", request "127.0.1.3"):sub(1, 2))
    assert.equal("\5\6", ask(connect(17), "\0", request "127.0.1.4"):sub(1, 2))
  end)

  it("wants user and password where it has them", function()
    local s = connect(2)
    s:send "\5\1\0"
    assert.equal("\5\255", s:receive(2))
    s = connect(2)
    s:send "\5\2\0\2"
    assert.equal("\5\2", s:receive(2))
    s:send "\1\2me\6secret"
    assert.equal("\1\0", s:receive(2))
    s:send(request "127.0.1.1")
    assert.equal("\5\0", s:receive(10):sub(1, 2))
    assert.equal("220 mx.one.example ESMTP", s:receive "*l")
    assert.equal("me", last("proxy").user)
    for _, octets in ipairs { "\1\2me\5wrong", "\1\2no\6secret" } do
      assert.equal("\1\1", ask(connect(2), "\2", octets, 2))
      assert.equal("auth", last("proxy").failed)
    end
  end)

  it("fails as the script says", function()
    local s = connect(3)
    s:send "\5\1\0"
    assert.equal("\5\255", s:receive(2))
    assert.equal("\1\1", ask(connect(14), "\2", "\1\2me\6secret", 2))
    for index, code in pairs { [4] = 2, [5] = 5, [6] = 4, [16] = 9 } do
      assert.equal("\5" .. string.char(code), ask(connect(index), "\0", request "127.0.1.1"):sub(1, 2))
      assert.equal(code, last("proxy").code)
    end
    assert.equal("HTTP/1.0 4", ask(connect(8), "\0", request "127.0.1.1"))
    s = connect(9)
    s:send "\5\1\0"
    assert.same({ nil, "closed", "" }, { s:receive(2) })
    assert.same({ nil, "closed", "" }, { ask(connect(18), "\2", "\1\2me\1x", 2) })
    assert.same({ nil, "closed", "" }, { ask(connect(15), "\0", request "127.0.1.1") })
    s = connect(7)
    s:send "\5\1\0"
    s:receive(2)
    s:send(request "127.0.1.1")
    s:settimeout(0.1)
    assert.same({ nil, "timeout", "" }, { s:receive(1) })
    assert.same({ false, "connection refused" }, { connect(13) or false, select(2, connect(13)) })
  end)

  it("tears its replies, has longer ones, and one with the greeting behind it", function()
    local s = connect(10)
    assert.equal("\5\0\0\1\127\0\0\1\4\210", ask(s, "\0", request "127.0.1.1"))
    assert.equal("220 mx.one.example ESMTP", s:receive "*l")
    s = connect(12)
    assert.equal("\5\0\0\3\13proxy.example\4\210", ask(s, "\0", request "127.0.1.1", 20))
    assert.equal("220 mx.one.example ESMTP", s:receive "*l")
    s = connect(11)
    s:send "\5\1\0"
    s:receive(2)
    s:send(request "127.0.1.1")
    socket.select({ s }, nil, 5)
    s:settimeout(0)
    assert.equal("\5\0\0\4" .. ("\0"):rep(15) .. "\1\4\210", s:receive(22))
    assert.equal("220 mx.one.example ESMTP", s:receive "*l")
  end)

  it("ends with who does not speak SOCKS5", function()
    local s = connect(1)
    s:send "EHLO probe.example\r\n"
    s:receive "*a"
    assert.equal("version", last("proxy").failed)
  end)
end)
