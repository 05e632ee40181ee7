-- The fakes themselves: STARTTLS of the mail servers, right and wrong, as a raw client sees it.
-- SPDX-License-Identifier: MIT
local socket = require "socket"
local raw = require "spec.support.world.raw"
local World = require "spec.support.world"

describe("STARTTLS of a mail world", function()
  local w

  setup(function()
    w = World.start {
      hosts = {
        { ip = "127.0.1.1", name = "mx.good.example", tls = true, rcpt = "250 2.1.5 ok" },
        { ip = "127.0.1.2", name = "mx.self.example", tls = { cert = "self-signed" } },
        { ip = "127.0.1.3", name = "mx.expired.example", tls = { cert = "expired" } },
        { ip = "127.0.1.4", name = "mx.wrong.example", tls = { cert = "wrong-name" } },
        { ip = "127.0.1.5", name = "mx.big.example", tls = { cert = "big", versions = "TLSv1.2" } },
        { ip = "127.0.1.6", name = "mx.two.example", tls = { versions = "TLSv1.2" } },
        { ip = "127.0.1.7", name = "mx.old.example", tls = { versions = "TLSv1" } },
        { ip = "127.0.2.1", name = "mx.stall.example", tls = { stall = "handshake" } },
        { ip = "127.0.2.2", name = "mx.half.example", tls = { stall = "record" } },
        { ip = "127.0.2.3", name = "mx.garbage.example", tls = { garbage = true } },
        { ip = "127.0.2.4", name = "mx.binary.example", tls = { garbage = "\0\1\255" } },
        { ip = "127.0.2.5", name = "mx.close.example", tls = { close = true } },
        { ip = "127.0.2.6", name = "mx.reset.example", tls = { reset = true } },
        { ip = "127.0.2.7", name = "mx.alert.example", tls = { alert = 40 } },
        { ip = "127.0.3.1", name = "mx.refuse.example", tls = { refuse = "454 4.7.0 TLS not available" } },
        { ip = "127.0.3.2", name = "mx.require.example", tls = { require = true }, rcpt = "250 2.1.5 ok" },
        { ip = "127.0.3.3", name = "mx.inject.example", tls = { inject = "250 injected\r\n" } },
        { ip = "127.0.3.4", name = "mx.other.example",
          tls = { ehlo_after = "250-mx.other.example\n250 SIZE 1000", mail_after = { close = true } } },
        { ip = "127.0.3.5", name = "mx.own.example", tls = true, ehlo = "250-mx.own.example\n250-STARTTLS\n250 SIZE" },
        { ip = "127.0.3.6", name = "mx.rude.example", tls = true, noop = { close = "bare" }, rset = { reset = true },
          vrfy = { { flood = 3000000 }, { close = true } } },
        { ip = "127.0.3.7", name = "mx.again.example", tls = { renegotiate = true }, rcpt = "250 2.1.5 ok" },
      },
    }
  end)

  after_each(raw.close_all)
  teardown(function() w:stop() end)

  -- Up to the 220 of STARTTLS.
  local function offered(ip)
    local c = raw.connect(ip, w.port)
    assert(c:hear())
    assert.truthy(c:say("EHLO probe.example"):find("STARTTLS", 1, true))
    return c
  end

  local function told(kind, ip)
    return w:wait(function(journal)
      for i = #journal, 1, -1 do
        if journal[i].kind == kind and journal[i].ip == ip then
          return journal[i]
        end
      end
    end, 5)
  end

  -- What `openssl s_client` finds, who trusts only the CA of this world.
  local function checked(ip, name)
    local command = ("env -u LD_PRELOAD openssl s_client -starttls smtp -connect %s:%d -servername %s "
      .. "-verify_hostname %s -CAfile %s -no-CApath -no-CAstore -brief </dev/null 2>&1"):format(
      ip, w.port, name, name, w.ca_file)
    local pipe = io.popen(command)
    local said = pipe:read "*a"
    pipe:close()
    return said
  end

  it("is offered in the clear, done, and all begins anew inside", function()
    local c = raw.connect("127.0.1.1", w.port)
    c:hear()
    local conn = told("connect", "127.0.1.1").conn
    assert.equal("503", c:say("STARTTLS"):sub(1, 3))
    assert.equal("250-mx.good.example|250-STARTTLS|250-PIPELINING|250-ENHANCEDSTATUSCODES|250 SMTPUTF8",
      c:say "EHLO probe.example")
    c:say "MAIL FROM:<>"
    assert.equal("220 2.0.0 ready to start TLS", c:say "STARTTLS")
    assert(c:shake "mx.good.example")
    assert.equal("503", c:say("RCPT TO:<a@good.example>"):sub(1, 3))
    assert.equal("503", c:say("MAIL FROM:<>"):sub(1, 3))
    assert.equal("250-mx.good.example|250-PIPELINING|250-ENHANCEDSTATUSCODES|250 SMTPUTF8", c:say "EHLO probe.example")
    assert.equal("503", c:say("STARTTLS"):sub(1, 3))
    assert.equal("250 2.1.0 ok", c:say "MAIL FROM:<>")
    assert.equal("250 2.1.5 ok", c:say "RCPT TO:<a@good.example>")
    assert.equal("221 2.0.0 bye", c:say "QUIT")
    assert.same({ nil, "closed" }, { c:hear() })
    local inside = false
    for _, event in ipairs(w:journal()) do
      if event.conn == conn and event.kind == "tls" then
        inside = true
        assert.equal("TLSv1.3", event.version)
        assert.truthy(event.cipher:find "^TLS_")
        assert.equal("mx.good.example", event.sni)
      elseif event.conn == conn and event.kind == "line" then
        assert.equal(inside and "true" or nil, event.tls)
      end
    end
    assert.is_true(inside)
  end)

  it("has a certificate of a CA that names the host, or not", function()
    assert.truthy(checked("127.0.1.1", "mx.good.example"):find "Verification: OK")
    assert.truthy(checked("127.0.1.2", "mx.self.example"):find "self%-signed certificate")
    assert.truthy(checked("127.0.1.3", "mx.expired.example"):find "certificate has expired")
    assert.truthy(checked("127.0.1.4", "mx.wrong.example"):find "hostname mismatch")
    assert.truthy(checked("127.0.1.4", "other.example"):find "Verification: OK")
  end)

  it("sends a certificate of ten megabytes", function()
    local c = offered "127.0.1.5"
    assert(c:say "STARTTLS")
    -- a ClientHello of TLS 1.2: ECDHE-ECDSA-AES128-GCM-SHA256, P-256, ECDSA with SHA-256
    local extensions = "\0\10\0\4\0\2\0\23" .. "\0\11\0\2\1\0" .. "\0\13\0\4\0\2\4\3"
    local hello = "\3\3" .. ("R"):rep(32) .. "\0" .. "\0\2\192\43" .. "\1\0" .. "\0\22" .. extensions
    local head = "\1\0\0" .. string.char(#hello)
    c.s:send("\22\3\1\0" .. string.char(#head + #hello) .. head .. hello)
    assert.equal(10485760, #assert(c.s:receive(10485760)))
    -- and OpenSSL's clients do not take it
    assert.truthy(checked("127.0.1.5", "mx.big.example"):find "excessive message size")
  end)

  it("speaks one version only when told so", function()
    local c = raw.secured("127.0.1.6", w.port, "mx.two.example")
    assert.equal("TLSv1.2", told("tls", "127.0.1.6").version)
    assert.equal("250", c:say("EHLO x"):sub(1, 3))
    c = offered "127.0.1.6"
    c:say "STARTTLS"
    assert.is_nil((c:shake(nil, { protocol = "tlsv1_3" })))
    assert.truthy(told("tls", "127.0.1.6").failed)
    c = offered "127.0.1.7"
    c:say "STARTTLS"
    assert.is_nil((c:shake())) -- too old for who has not set its security level to 0
    c = raw.secured("127.0.1.7", w.port, nil, { ciphers = "ALL:@SECLEVEL=0" })
    assert.equal("TLSv1", told("tls", "127.0.1.7").version)
    assert.equal("250", c:say("EHLO x"):sub(1, 3))
  end)

  it("stalls, before a word of TLS or amid one", function()
    local c = offered "127.0.2.1"
    assert.equal("220", c:say("STARTTLS"):sub(1, 3))
    assert.is_nil((c:shake(nil, { patience = 0.1 })))
    assert.equal("stall", told("tls", "127.0.2.1").failed)
    c = offered "127.0.2.2"
    assert.equal("220", c:say("STARTTLS"):sub(1, 3))
    c.s:send "hello"
    assert.equal("\22\3\3\64\0" .. ("\0"):rep(100), c.s:receive(105))
    c.s:settimeout(0.1)
    assert.same({ nil, "timeout", "" }, { c.s:receive(1) })
  end)

  it("answers the client's hello with something else", function()
    local c = offered "127.0.2.3"
    c:say "STARTTLS"
    assert.equal("500 5.5.2 what?", c:say "not TLS")
    c = offered "127.0.2.4"
    c:say "STARTTLS"
    c.s:send "hello"
    assert.equal("\0\1\255", c.s:receive(3))
    for _, ip in ipairs { "127.0.2.3", "127.0.2.5", "127.0.2.6", "127.0.2.7" } do
      c = offered(ip)
      assert.equal("220", c:say("STARTTLS"):sub(1, 3))
      local ok, err = c:shake()
      assert.is_nil(ok)
      if ip == "127.0.2.7" then
        assert.truthy(err:find "handshake failure")
      end
    end
    assert.equal("server", told("close", "127.0.2.5").by)
    assert.equal("reset", told("close", "127.0.2.6").by)
  end)

  it("is refused though offered, and the dialogue goes on", function()
    local c = offered "127.0.3.1"
    assert.equal("454 4.7.0 TLS not available", c:say "STARTTLS")
    assert.equal("250 2.1.0 ok", c:say "MAIL FROM:<>")
  end)

  it("is required first, and enough then", function()
    local c = offered "127.0.3.2"
    assert.equal("530 5.7.0 Must issue a STARTTLS command first", c:say "MAIL FROM:<>")
    assert.equal("530", c:say("RSET"):sub(1, 3))
    assert.equal("250", c:say("NOOP"):sub(1, 3))
    c = raw.secured("127.0.3.2", w.port)
    c:say "EHLO x"
    assert.equal("250 2.1.0 ok", c:say "MAIL FROM:<>")
    assert.equal("250 2.1.5 ok", c:say "RCPT TO:<a@b.example>")
  end)

  it("has an injected line right behind its 220", function()
    local c = offered "127.0.3.3"
    c.s:send "STARTTLS\r\n"
    socket.select({ c.s }, nil, 5)
    c.s:settimeout(0) -- one segment: both are there, or neither
    assert.equal("220 2.0.0 ready to start TLS", c.s:receive "*l")
    assert.equal("250 injected", c.s:receive "*l")
    c.s:settimeout(5)
    assert(c:shake())
    assert.equal("250-mx.inject.example", c:say("EHLO x"):match "^[^|]*")
  end)

  it("has other replies inside, and never offers itself there", function()
    local c = raw.secured("127.0.3.4", w.port)
    assert.equal("250-mx.other.example|250 SIZE 1000", c:say "EHLO x")
    assert.is_nil((c:say "MAIL FROM:<>"))
    c = offered "127.0.3.4"
    assert.equal("250 2.1.0 ok", c:say "MAIL FROM:<>")
    c = raw.secured("127.0.3.5", w.port)
    assert.equal("250-mx.own.example|250 SIZE", c:say "EHLO x")
  end)

  it("ends with close_notify, without, or by a RST", function()
    local function ready()
      local c = raw.secured("127.0.3.6", w.port)
      assert(c:say "EHLO x") -- TLS 1.3's tickets are read by now, too
      return c
    end
    local c = ready()
    assert.equal("221", c:say("QUIT"):sub(1, 3))
    assert.same({ nil, "closed" }, { c:hear() }) -- LuaSec's word for close_notify
    c = ready()
    c.s:send "NOOP\r\n"
    assert.is_nil(c:fate())
    assert.same({ nil, "unexpected eof while reading" }, { c:hear() })
    assert.equal("server", told("close", "127.0.3.6").by)
    c = ready()
    c.s:send "RSET\r\n"
    assert.equal("closed", c:fate()) -- LuaSocket's word for ECONNRESET
    assert.equal("reset", told("close", "127.0.3.6").by)
  end)

  it("floods inside TLS", function()
    local c = raw.secured("127.0.3.6", w.port)
    c.s:send "VRFY x\r\n"
    local got = 0
    repeat
      local data, err, part = c.s:receive(65536)
      got = got + #(data or part)
    until err
    assert.equal(3000000, got)
  end)

  it("asks for renegotiation, and goes on with who takes it", function()
    local c = raw.secured("127.0.3.7", w.port)
    assert.equal("250-mx.again.example", c:say("EHLO x"):match "^[^|]*")
    assert.equal("250 2.1.0 ok", c:say "MAIL FROM:<>")
    assert.equal("250 2.1.5 ok", c:say "RCPT TO:<a@b.example>")
    assert.equal("221 2.0.0 bye", c:say "QUIT")
    assert.equal("TLSv1.2", told("tls", "127.0.3.7").version)
    assert.equal("server", told("close", "127.0.3.7").by)
    -- and by a client that tells what goes over the wire
    local pipe = io.popen(("printf 'NOOP\\r\\nQUIT\\r\\n' | env -u LD_PRELOAD timeout 20 openssl s_client "
      .. "-starttls smtp -ign_eof -msg -connect 127.0.3.7:%d 2>&1"):format(w.port))
    local said = pipe:read "*a"
    pipe:close()
    assert.truthy(said:find "HelloRequest.*ClientHello.*221 2%.0%.0 bye")
  end)

  it("serves hundreds at once in little time", function()
    local clients, start = {}, socket.gettime()
    for i = 1, 200 do
      clients[i] = raw.secured("127.0.1.1", w.port, "mx.good.example")
    end
    for _, c in ipairs(clients) do
      assert.equal("250", c:say("EHLO x"):sub(1, 3))
    end
    -- 200 handshakes of both sides take 0.4 s here; with RSA keys made slow or waits, many times that
    assert.is_true(socket.gettime() - start < 10)
    assert.is_true(w:open_now "mx.good.example" >= 200)
  end)

  it("is given to a host, or taken, while the world runs", function()
    w:update { hosts = { { ip = "127.0.1.2", name = "mx.self.example", tls = { cert = "expired" } } } }
    assert.truthy(checked("127.0.1.2", "mx.self.example"):find "certificate has expired")
    w:update { hosts = { { ip = "127.0.1.2", name = "mx.self.example" } } }
    local c = raw.connect("127.0.1.2", w.port)
    c:hear()
    assert.is_nil(c:say("EHLO x"):find "STARTTLS")
    local before = w:count("unoffered", "^STARTTLS$")
    assert.equal("502", c:say("STARTTLS"):sub(1, 3))
    assert.equal(before + 1, w:count("unoffered", "^STARTTLS$"))
  end)
end)
