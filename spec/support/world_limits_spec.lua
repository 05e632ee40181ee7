-- The fakes themselves: limits, verification, floods and bad manners of mail servers, as a raw client
-- sees them.
-- SPDX-License-Identifier: MIT
local socket = require "socket"
local raw = require "spec.support.world.raw"
local World = require "spec.support.world"

local BIG = 104857600 -- 100 MiB

describe("limits of a mail world", function()
  local w

  setup(function()
    w = World.start {
      hosts = {
        { ip = "127.0.1.1", name = "mx.three.example", max_rcpt = 3, rcpt = "250 2.1.5 ok" },
        { ip = "127.0.1.2", max_rcpt = 1, max_rcpt_reply = "421 4.7.0 enough", rcpt = "250 2.1.5 ok" },
        { ip = "127.0.1.3", max_rcpt_transaction = 2, max_rcpt_transaction_reply = "550 5.5.3 two only",
          rcpt = "250 2.1.5 ok" },
        { ip = "127.0.1.4", one_rcpt_null_sender = true, rcpt = "250 2.1.5 ok" },
        { ip = "127.0.1.5", close_after_refusal = true,
          rcpt = { ["user@x.example"] = "250 2.1.5 ok", ["*"] = "550 5.1.1 unknown" } },
        { ip = "127.0.1.6", name = "mx.six.example", max_connections = 2 },
        { ip = "127.0.1.7", max_refusals = 2 },
        { ip = "127.0.1.8", idle = 0.05 },
        { ip = "127.0.1.9", vrfy = { ["user@x.example"] = "250 2.1.5 <user@x.example>",
          ["*@y.example"] = "551 5.1.6 elsewhere", ["*"] = "550 5.1.1 unknown" } },
        { ip = "127.0.2.1", ehlo = "250-plain.example\n250 SIZE 1000" },
        { ip = "127.0.2.2", noop = { { flood = BIG }, "250 done" }, vrfy = { flood = true, with = "250-x\r\n" } },
        { ip = "127.0.2.3", noop = { flood = 21, with = "250-x\r\n", every = 0.05 } },
        { ip = "127.0.2.4", greeting = "220 " .. ("x"):rep(65536) },
        { ip = "127.0.2.5", greeting = { raw = "\0\255\r\n\1\2\n\127" } },
      },
    }
  end)

  after_each(raw.close_all)
  teardown(function() w:stop() end)

  local function code(said) return (said or "none"):sub(1, 3) end

  it("counts recipients of a connection, over transactions", function()
    local c = raw.greeted("127.0.1.1", w.port)
    assert.equal("250", code(c:say "RCPT TO:<a@x.example>"))
    assert.equal("250", code(c:say "RCPT TO:<b@x.example>"))
    c:say "RSET"
    c:say "MAIL FROM:<>"
    assert.equal("250", code(c:say "RCPT TO:<c@x.example>"))
    assert.equal("452 4.5.3 too many recipients", c:say "RCPT TO:<d@x.example>")
    assert.equal("250", code(raw.greeted("127.0.1.1", w.port):say "RCPT TO:<d@x.example>"))
  end)

  it("closes where a limit's reply says 421", function()
    local c = raw.greeted("127.0.1.2", w.port)
    assert.equal("250", code(c:say "RCPT TO:<a@x.example>"))
    assert.equal("421 4.7.0 enough", c:say "RCPT TO:<b@x.example>")
    assert.same({ nil, "closed" }, { c:hear() })
  end)

  it("counts recipients of a transaction", function()
    local c = raw.greeted("127.0.1.3", w.port)
    c:say "RCPT TO:<a@x.example>"
    assert.equal("250", code(c:say "RCPT TO:<b@x.example>"))
    assert.equal("550 5.5.3 two only", c:say "RCPT TO:<c@x.example>")
    c:say "RSET"
    c:say "MAIL FROM:<>"
    assert.equal("250", code(c:say "RCPT TO:<c@x.example>"))
  end)

  it("takes one recipient for the null sender", function()
    local c = raw.greeted("127.0.1.4", w.port, "")
    assert.equal("250", code(c:say "RCPT TO:<a@x.example>"))
    assert.equal("452", code(c:say "RCPT TO:<b@x.example>"))
    c = raw.greeted("127.0.1.4", w.port)
    c:say "RCPT TO:<a@x.example>"
    assert.equal("250", code(c:say "RCPT TO:<b@x.example>"))
  end)

  it("hangs up behind a refusal", function()
    local c = raw.greeted("127.0.1.5", w.port)
    assert.equal("250", code(c:say "RCPT TO:<user@x.example>"))
    assert.equal("550", code(c:say "RCPT TO:<none@x.example>"))
    assert.same({ nil, "closed" }, { c:hear() })
  end)

  it("has room for so many connections, and counts all", function()
    local a, b = raw.connect("127.0.1.6", w.port), raw.connect("127.0.1.6", w.port)
    assert.equal("220", code(a:hear()))
    assert.equal("220", code(b:hear()))
    local c = raw.connect("127.0.1.6", w.port)
    assert.equal("421 4.7.0 too many connections from 127.0.0.1", c:hear())
    assert.same({ nil, "closed" }, { c:hear() })
    assert.equal("250", code(a:say "NOOP"))
    a.s:close()
    assert.equal("220", code(raw.connect("127.0.1.6", w.port):hear()))
    assert.equal(4, w:connections "127.0.1.6")
    assert.equal(4, w:connections "mx.six.example")
    assert.equal(0, w:connections "127.0.1.7")
    assert.is_true(w:connections() > 4)
  end)

  it("loses patience with who is refused often, and with who says nothing", function()
    local c = raw.greeted("127.0.1.7", w.port)
    assert.equal("550", code(c:say "RCPT TO:<a@x.example>"))
    assert.equal("550", code(c:say "RCPT TO:<b@x.example>"))
    assert.equal("421 4.7.0 too many errors", c:say "RCPT TO:<c@x.example>")
    assert.same({ nil, "closed" }, { c:hear() })
    c = raw.connect("127.0.1.8", w.port)
    assert.equal("220", code(c:hear()))
    assert.equal("421 4.4.2 idle for too long", c:hear())
    assert.same({ nil, "closed" }, { c:hear() })
  end)

  it("verifies", function()
    local c = raw.greeted("127.0.1.9", w.port)
    assert.equal("250 2.1.5 <user@x.example>", c:say "VRFY user@x.example")
    assert.equal("250 2.1.5 <user@x.example>", c:say "VRFY <user@x.example> SMTPUTF8")
    assert.equal("551 5.1.6 elsewhere", c:say "VRFY any@y.example")
    assert.equal("550 5.1.1 unknown", c:say "VRFY user")
    assert.equal("252", code(raw.greeted("127.0.1.1", w.port):say "VRFY user@x.example"))
  end)

  it("writes down what was not offered", function()
    local c = raw.connect("127.0.2.1", w.port)
    c:hear()
    c:say "EHLO x"
    c:say "MAIL FROM:<> SIZE=10 BODY=8BITMIME SMTPUTF8"
    c:say "STARTTLS"
    local told = {}
    for _, event in ipairs(w:journal()) do
      if event.kind == "unoffered" and event.ip == "127.0.2.1" then
        told[#told + 1] = event.text
      end
    end
    assert.same({ "BODY=8BITMIME", "SMTPUTF8", "STARTTLS" }, told)
  end)

  it("writes down what follows a command that ends a group, PIPELINING or not", function()
    local c = raw.greeted("127.0.1.1", w.port)
    c.s:send "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\n"
    assert.same({ "250", "250", "250" }, { code(c:hear()), code(c:hear()), code(c:hear()) })
    assert.equal(0, w:count("early", "^MAIL"))
    assert.equal(0, w:count("early", "^RCPT"))
    c.s:send "NOOP\r\nRCPT TO:<b@x.example>\r\n"
    c:hear()
    c:hear()
    assert.equal(1, w:count("early", "^RCPT TO:<b@x.example>$"))
    c = raw.greeted("127.0.2.1", w.port)
    c.s:send "RSET\r\nMAIL FROM:<early@x.example>\r\n"
    c:hear()
    c:hear()
    assert.equal(1, w:count("early", "^MAIL FROM:<early@x.example>$"))
  end)

  -- Kilobytes the world's process has had at most.
  local function peak()
    local file = assert(io.open("/proc/" .. w.pid .. "/status"))
    local most = file:read("*a"):match "VmHWM:%s*(%d+)"
    file:close()
    return tonumber(most)
  end

  it("floods a hundred megabytes without holding them", function()
    local c = raw.greeted("127.0.2.2", w.port)
    local before, start = peak(), socket.gettime()
    c.s:send "NOOP\r\n"
    assert.equal("250-flood", c.s:receive "*l")
    local got = 11
    while got < BIG do
      got = got + #assert(c.s:receive(math.min(1048576, BIG - got)))
    end
    assert.is_true(socket.gettime() - start < 20)
    assert.is_true(peak() - before < 8192)
  end)

  it("floods without end, and hears who leaves", function()
    local c = raw.greeted("127.0.2.2", w.port)
    local conn = w:journal()[#w:journal()].conn
    c.s:send "VRFY x\r\n"
    assert.equal(3000000, #c.s:receive(3000000))
    c.s:close()
    local closed = w:wait(function(journal)
      for _, event in ipairs(journal) do
        if event.kind == "close" and event.conn == conn then
          return event
        end
      end
    end, 5)
    assert.equal("client", closed.by)
    assert.is_true(closed.sent >= 3000000)
  end)

  it("trickles", function()
    local c = raw.greeted("127.0.2.3", w.port)
    local start = socket.gettime()
    c.s:send "NOOP\r\n"
    assert.equal("250-x\r\n250-x\r\n250-x\r\n", c.s:receive(21))
    assert.is_true(socket.gettime() - start >= 0.1)
  end)

  it("greets with 64 KiB, or with octets that are no text", function()
    assert.equal("220 " .. ("x"):rep(65536), raw.connect("127.0.2.4", w.port):hear())
    assert.equal("\0\255\r\n\1\2\n\127", raw.connect("127.0.2.5", w.port).s:receive(8))
  end)
end)

describe("every stage of a mail world", function()
  -- What is said until the stage whose reply is awaited, and that stage's name in a script.
  local STAGES = {
    { "greeting" }, { "ehlo", "EHLO x" }, { "helo", "HELO x" }, { "mail", "EHLO x", "MAIL FROM:<>" },
    { "rcpt", "EHLO x", "MAIL FROM:<>", "RCPT TO:<a@x.example>" }, { "rset", "EHLO x", "RSET" },
    { "vrfy", "EHLO x", "VRFY a" }, { "starttls", "EHLO x", "STARTTLS" }, { "quit", "EHLO x", "QUIT" },
  }
  local BYE = "421 4.3.2 going down"
  local DEEDS = {
    { { close = true }, said = "", by = "server" }, { { reset = true }, said = "", by = "reset" },
    { { BYE, { close = true } }, said = BYE .. "\r\n", by = "server" },
    { { { raw = "250-half\r\n250" }, { close = true } }, said = "250-half\r\n250", by = "server" },
    { { { raw = "\0\1\255" }, { reset = true } }, by = "reset" }, -- a RST may take with it what was not yet read
  }
  local w

  setup(function()
    local hosts = {}
    for i, stage in ipairs(STAGES) do
      for j, deed in ipairs(DEEDS) do
        hosts[#hosts + 1] = { ip = ("127.0.%d.%d"):format(i, j), [stage[1]] = deed[1] }
      end
    end
    w = World.start { hosts = hosts }
  end)

  after_each(raw.close_all)
  teardown(function() w:stop() end)

  for i, stage in ipairs(STAGES) do
    it("can be cut short: " .. stage[1], function()
      for j, deed in ipairs(DEEDS) do
        local ip = ("127.0.%d.%d"):format(i, j)
        local connected, c = pcall(raw.connect, ip, w.port)
        for k = 2, #stage do
          assert(c:hear())
          c.s:send(stage[k] .. "\r\n")
        end
        local said, _, part
        if connected then
          said, _, part = c.s:receive(1000)
        end
        if deed.said and connected then
          assert.equal(deed.said, said or part)
        end
        -- a RST may be quicker than the word that we are connected, nothing else may
        assert.is_true(connected or (stage[1] == "greeting" and deed.by == "reset"))
        local closed = w:wait(function(journal)
          for _, event in ipairs(journal) do
            if event.kind == "close" and event.ip == ip then
              return event
            end
          end
        end, 5)
        assert.equal(deed.by, closed.by)
      end
    end)
  end
end)

describe("a dead ::1 of a mail world", function()
  for _, how in ipairs { "refuse", "blackhole" } do
    it("stands beside a living IPv4 of the same name: " .. how, function()
      local w = World.start { hosts = {
        { ip = "127.0.1.1", name = "mx.x.example" }, { ip = "::1", name = "mx.x.example", [how] = true },
      } }
      assert.equal("220 mx.x.example ESMTP", raw.connect("127.0.1.1", w.port):hear())
      local s = socket.tcp6()
      s:settimeout(0.2)
      local err = select(2, s:connect("::1", w.port))
      s:close()
      raw.close_all()
      w:stop()
      assert.equal(how == "refuse" and "connection refused" or "timeout", err)
    end)
  end
end)
