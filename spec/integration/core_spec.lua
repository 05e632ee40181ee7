-- Sessions of the core with real servers: kept, secured, by a proxy, and what the servers saw of them.
local servers = require "spec.support.servers"

describe("rcpt.core and real servers #integration", function()
  if servers.left_out(pending, "the core's sessions with Postfix, Exim and OpenSMTPD") then return end
  local Loop = require "spec.support.loop"
  local sessions = require "spec.support.servers.sessions"
  local loop, world

  setup(function() world = servers.start() end)
  before_each(function() loop = Loop.new() end)
  after_each(function() loop:close() end)

  -- A session with a host, whatever came of it, and the source it has.
  local function open(host, extra)
    local source = world:source "watched"
    local options = { to = { servers.hosts[host].ip }, port = world.port, helo = "probe.example",
      sender = "user@probe.example", name = "mx." .. host .. ".example", source4 = source, ca_file = world.ca_file }
    for name, value in pairs(extra or {}) do options[name] = value end
    return loop:await(loop.engine:open(options)), source
  end

  local function mailbox(name, host) return name .. "@" .. host .. ".example" end
  local function code(session, address)
    local reply = loop:await(session:rcpt(address))
    return reply and reply.code
  end

  -- Quit, and what the one session was for the server.
  local function seen(session, host, source)
    session:quit()
    local list = world:sessions(host, source)
    assert.are.equal(1, #list)
    assert.are.same({}, sessions.unoffered(list[1]), sessions.text(list[1]))
    return list[1]
  end

  describe("STARTTLS", function()
    for host, verified in pairs { must = true, may = true, eximtls = true, selfsigned = false, wrongname = false,
      expired = false } do
      it(("of %s gives what OpenSSL's own client finds; verified: %s"):format(host, tostring(verified)), function()
        local session, source = open(host, { tls = "may" })
        assert.are.equal(250, code(session, mailbox("user", host)))
        local ours, theirs = session:evidence().tls, assert(world:handshake(host))
        assert.are.same({ theirs.version, theirs.cipher, verified }, { ours.version, ours.cipher, ours.verified })
        assert.are.equal(verified, theirs.verified == "OK")
        assert.are.equal(verified, ours.why == nil)
        local known = seen(session, host, source)
        assert.are.same({ "EHLO probe.example", "STARTTLS", "EHLO probe.example", "MAIL FROM:<user@probe.example>",
          "RCPT TO:<" .. mailbox("user", host) .. ">", "QUIT" }, sessions.commands(known))
        if known.tls then assert.are.same({ ours.version, ours.cipher }, { known.tls.version, known.tls.cipher }) end
      end)
    end

    it("of 1999 is taken", function()
      local session = open("oldtls", { tls = "may" })
      assert.are.equal(250, code(session, mailbox("user", "oldtls")))
      assert.are.equal("TLSv1", session:evidence().tls.version)
    end)

    it("\"off\" is not said: 530 where it must be", function()
      local session, source = open("must", { tls = "off" })
      local reply = loop:await(session:rcpt(mailbox("user", "must")))
      assert.are.same({ 530, "5.7.0", "mail" }, { reply.code, reply.enhanced, reply.stage })
      assert.is_nil(seen(session, "must", source).counts.starttls)
    end)

    it("refused by 454 is done without, but not where it is required", function()
      local session, source = open("badkey", { tls = "may" })
      assert.are.equal(250, code(session, mailbox("user", "badkey")))
      assert.is_nil(session:evidence().tls)
      assert.is_true(seen(session, "badkey", source).quit)
      session, source = open("badkey", { tls = "require" })
      assert.is_false(session:ready())
      assert.is_nil(seen(session, "badkey", source).counts.mail)
    end)

    for _, host in ipairs { "broken", "brokenmust" } do
      it("that fails ends the connection, and says why (" .. host .. ")", function()
        local session = open(host, { tls = "may" })
        local evidence = session:evidence()
        assert.are.same({ false, "tls" }, { session:ready(), evidence.err })
        assert.is_string(evidence.tls_why)
      end)
    end

    it("of OpenSMTPD does or fails as OpenSSL's own client does or fails", function()
      for _, host in ipairs { "opentls", "openmust" } do
        local session = open(host, { tls = "may" })
        assert.are.equal(world:handshake(host) ~= nil, session:ready())
        assert.are.equal(world:handshake(host) == nil, session:evidence().err == "tls")
      end
    end)
  end)

  describe("many questions", function()
    for _, host in ipairs { "postfix", "exim", "opensmtpd", "must", "bare", "lockstep" } do
      it("of a domain are answered in order on one connection (" .. host .. ")", function()
        local session, source = open(host, { tls = "may" })
        local jobs = {}
        for i = 1, 90 do jobs[i] = assert(session:rcpt(mailbox((i % 9 == 0 and "nobody" or "user") .. i, host))) end
        for i, job in ipairs(jobs) do
          local reply = assert(loop:await(job), i)
          assert.are.equal(i % 9 == 0, reply.code >= 500, i)
          assert.are.equal(i % 9 ~= 0, reply.code == 250, i)
        end
        assert.is_true(seen(session, host, source).quit)
      end)
    end

    it("over the host's number of recipients have its 452, and the session goes on", function()
      for host, n in pairs { one = 1, three = 3, eximone = 1, eximthree = 3 } do
        local session, source = open(host)
        local said = {}
        for i = 1, 5 do said[i] = code(session, mailbox("user" .. i, host)) end
        assert.are.equal(250, said[n], host)
        if host:match("^exim") then assert.are.equal(452, said[n + 1], host) end
        assert.is_true(session:ready(), host)
        assert.is_true(seen(session, host, source).quit, host)
      end
    end)

    it("end with 421 where the host has had enough of refusals", function()
      local session = open("strict")
      local jobs, said = {}, {}
      for i = 1, 5 do jobs[i] = assert(session:rcpt(mailbox("nobody" .. i, "strict"))) end
      for i, job in ipairs(jobs) do said[i] = (loop:await(job) or {}).code end
      assert.are.same({ 550, 550, 550 }, { said[1], said[2], said[3] })
      assert.are.equal(421, said[4] or session:evidence().replies[#session:evidence().replies].code)
      assert.is_nil(said[5])
      assert.is_false(session:ready())
    end)
  end)

  describe("a proxy", function()
    local function through(proxy, extra)
      local way = { ip = proxy.host, port = proxy.port, user = proxy.user, password = proxy.password }
      for name, value in pairs(extra or {}) do way[name] = value end
      return way
    end

    for name, from in pairs { proxy = servers.proxy_source, open_proxy = servers.open_proxy_source } do
      it("(" .. name .. ") is where the server sees us, in the clear and with TLS", function()
        for host, tls in pairs { exim = "off", must = "require" } do
          local before = world:connections(host, from)
          local session = open(host, { proxy = through(world[name]), tls = tls, source4 = "127.0.0.1" })
          assert.are.equal(250, code(session, mailbox("user", host)))
          assert.are.equal(550, code(session, mailbox("nobody", host)))
          assert.are.same({ servers.hosts[host].ip, tls == "require" },
            { session:evidence().ip, session:evidence().tls ~= nil and session:evidence().tls.verified })
          session:quit()
          assert.are.equal(before + 1, world:connections(host, from))
        end
      end)
    end

    it("with another password, or none, is not passed", function()
      for _, way in ipairs { through(world.proxy, { password = "wrong" }),
        { ip = world.proxy.host, port = world.proxy.port } } do
        local before = world:connections("exim", servers.proxy_source)
        local session = open("exim", { proxy = way, source4 = "127.0.0.1" })
        assert.are.same({ false, "proxy" }, { session:ready(), session:evidence().err })
        assert.are.equal(before, world:connections("exim", servers.proxy_source))
      end
    end)
  end)

  describe("VRFY", function()
    for host, expected in pairs { postfix = { 252, 550 }, exim = { 250, 550 }, eximtls = { 252, 252 } } do
      it("is answered as the server likes (" .. host .. ")", function()
        local session, source = open(host)
        for i, name in ipairs { "user", "nobody" } do
          local reply = loop:await(session:vrfy(mailbox(name, host)))
          assert.are.same({ expected[i], "vrfy" }, { reply.code, reply.stage })
        end
        assert.are.equal(250, code(session, mailbox("user", host)))
        assert.is_true(seen(session, host, source).quit)
      end)
    end
  end)

  describe("SMTPUTF8", function()
    local PELE = "pel\195\169@%s.example"

    it("is asked for where a mailbox needs it and the server has it", function()
      local session, source = open("postfix")
      assert.are.equal(250, code(session, PELE:format("postfix")))
      assert.are.equal(250, code(session, mailbox("user", "postfix")))
      seen(session, "postfix", source)
      for _, host in ipairs { "opensmtpd", "bare" } do
        session, source = open(host)
        local reply, _, why = loop:await(session:rcpt(PELE:format(host)))
        assert.are.same({ false, "smtputf8_unsupported" }, { reply, why })
        assert.are.equal(250, code(session, mailbox("user1", host)))
        seen(session, host, source)
      end
    end)
  end)
end)
