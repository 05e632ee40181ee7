-- Kept sessions, TLS, identities and proxies with real servers: right verdicts for lists of addresses, few
-- connections, and dialogues, as the servers saw them, without a word that was not offered.
local servers = require "spec.support.servers"

describe("sessions with real servers #integration", function()
  if servers.left_out(pending, "sessions with Postfix, Exim and OpenSMTPD") then return end
  local rcpt = require "rcpt"
  local sessions = require "spec.support.servers.sessions"
  local world

  setup(function() world = servers.start() end)

  local function said(verdict) return { verdict.status, verdict.reason } end

  -- Ask about each address of a list; a table address -> verdict, and the source used, where it is one.
  local function ask_all(list, extra)
    local options = world:options(extra)
    if options.identities then
      options.helo, options.sender = nil, nil
    else
      options.source = options.source or world:source()
    end
    local validator, i, verdicts, n = rcpt.new(options), 0, {}, 0
    local function next_address()
      i = i + 1
      return list[i]
    end
    for verdict in validator:each(next_address) do
      verdicts[verdict.address], n = verdict, n + 1
    end
    validator:close()
    assert.are.equal(#list, n)
    return verdicts, options.source
  end

  local function ask(address, extra)
    local verdicts, source = ask_all({ address }, extra)
    return verdicts[address], source
  end

  -- `users` mailboxes of a domain that exist and `nobodies` that do not, mixed.
  local function mailboxes(domain, users, nobodies)
    local list = {}
    for i = 1, users do list[i] = ("user%d@%s"):format(i, domain) end
    for i = 1, nobodies do
      table.insert(list, 1 + math.floor(i * #list / (nobodies + 1)), ("nobody%d@%s"):format(i, domain))
    end
    return list
  end

  local function assert_right(list, verdicts)
    for _, address in ipairs(list) do
      local expected = address:match("^user") and "deliverable, accepted" or "undeliverable, mailbox_unknown"
      assert.are.equal(expected, table.concat(said(verdicts[address]), ", "), address)
    end
  end

  -- What every dialogue of ours must be, as the server saw it.
  local function assert_polite(session, no_quit)
    local text = sessions.text(session)
    assert.are.same({}, sessions.unoffered(session), text)
    local commands = sessions.commands(session)
    for _, command in ipairs(commands) do assert.is_nil(command:match("^VRFY"), text) end
    if not no_quit then
      assert.are.equal("QUIT", commands[#commands], text)
      assert.is_true(session.quit, text)
    end
  end

  -- The domains of each transaction: one at most.
  local function assert_one_domain_a_transaction(session)
    local domain
    for _, command in ipairs(sessions.commands(session)) do
      local asked = command:match("^RCPT TO:<[^>]*@([^>@]+)>")
      if asked then
        assert.are.equal(domain or asked, asked, sessions.text(session))
        domain = asked
      else
        domain = nil
      end
    end
  end

  describe("a list of addresses", function()
    -- host, users, nobodies, connections: at least and at most
    local LISTS = {
      { "one", 12, 3, 1, 5, "one recipient a transaction" },
      { "three", 12, 3, 1, 5, "three recipients a transaction" },
      { "eximone", 6, 2, 8, 16, "one recipient a connection" },
      { "eximthree", 12, 3, 5, 15, "three recipients a connection" },
      { "eximmails", 12, 0, 1, 12, "three transactions a connection" },
      { "strict", 4, 8, 3, 12, "four errors a connection" },
      { "junk", 30, 0, 1, 10, "seven RSET a connection" },
      { "lockstep", 10, 3, 1, 5, "a command at a time" },
      { "bare", 10, 3, 1, 5, "no extension at all" },
    }
    for _, row in ipairs(LISTS) do
      local host, users, nobodies, least, most, what = row[1], row[2], row[3], row[4], row[5], row[6]
      it(("is answered rightly by a server with %s (%s)"):format(what, host), function()
        local list = mailboxes(host .. ".example", users, nobodies)
        local verdicts, source = ask_all(list, { source = world:source "watched" })
        assert_right(list, verdicts)
        local seen = world:sessions(host, source)
        assert.is_true(#seen >= least and #seen <= most, #seen .. " connections")
        for _, session in ipairs(seen) do
          assert_polite(session, host == "strict" or host == "junk" or host == "eximmails")
        end
      end)
    end

    it("never costs more connections at once than `connections_per_host`", function()
      local list = mailboxes("crowded.example", 30, 3)
      local verdicts, source = ask_all(list, { connections_per_host = 2, concurrency = 20 })
      assert_right(list, verdicts)
      assert.is_true(world:connections("crowded", source) <= 2)
      assert.is_nil(world:log("postfix"):find("Connection concurrency limit exceeded: %d+ from unknown%["
        .. source:gsub("%.", "%%.") .. "%]"))
    end)

    for _, host in ipairs { "postfix", "exim", "opensmtpd", "must" } do
      it("of 500 mailboxes of one domain costs a handful of connections (" .. host .. ")", function()
        local list = mailboxes(host .. ".example", 475, 25)
        local verdicts, source = ask_all(list)
        assert_right(list, verdicts)
        local n = world:connections(host, source)
        assert.is_true(n >= 1 and n <= 8, n .. " connections")
      end)
    end

    it("of ten domains with one host uses the same connections, and no transaction has two domains", function()
      local list = {}
      for i = 1, 10 do
        for _, address in ipairs(mailboxes(("shared%02d.example"):format(i), 4, 1)) do list[#list + 1] = address end
      end
      local verdicts, source = ask_all(list, { source = world:source "watched" })
      assert_right(list, verdicts)
      local seen = world:sessions("shared", source)
      assert.is_true(#seen <= 5, #seen .. " connections")
      for _, session in ipairs(seen) do
        assert_polite(session)
        assert_one_domain_a_transaction(session)
      end
    end)

    it("asked one after the other uses one connection", function()
      local source = world:source()
      local validator = rcpt.new(world:options { source = source, linger = 30 })
      for i = 1, 5 do
        assert.are.same({ "deliverable", "accepted" }, said(assert(validator:validate("user" .. i .. "@exim.example"))))
      end
      validator:close()
      assert.are.equal(1, world:connections("exim", source))
    end)
  end)

  describe("a session", function()
    -- Connections that these addresses, one after the other, cost at Exim.
    local function cost(list, extra)
      local options = world:options(extra)
      options.source, options.linger = world:source(), 30
      local validator = rcpt.new(options)
      for _, address in ipairs(list) do
        local expected = address:match("^user") and "accepted" or "mailbox_unknown"
        assert.are.equal(expected, assert(validator:validate(address)).reason, address)
      end
      validator:close()
      return world:connections("exim", options.source)
    end

    it("ends after so many recipients, and another goes on", function()
      assert.are.equal(3, cost(mailboxes("exim.example", 9, 0), { session_recipients = 3 }))
    end)

    it("ends after so many refusals, and another goes on", function()
      assert.are.equal(3, cost(mailboxes("exim.example", 0, 6), { session_refusals = 2 }))
    end)

    -- The host in the middle takes 2 s for its greeting.
    local PAUSE = { "user1@exim.example", "user2@patient.example", "user3@exim.example" }

    it("ends when nobody has used it for so long", function()
      assert.are.equal(2, cost(PAUSE, { session_idle = 1 }))
      assert.are.equal(1, cost(PAUSE, { session_idle = 30 }))
    end)

    it("ends when it is so old", function()
      assert.are.equal(2, cost(PAUSE, { session_age = 1, session_idle = 30 }))
    end)
  end)

  describe("the dialogue, as the server saw it,", function()
    local PLAIN = { "EHLO probe.example", "MAIL FROM:<user@probe.example>", "RCPT TO:<user@%s.example>", "QUIT" }
    local WITH_TLS = { "EHLO probe.example", "STARTTLS", PLAIN[1], PLAIN[2], PLAIN[3], PLAIN[4] }
    for host, expected in pairs { postfix = PLAIN, exim = PLAIN, opensmtpd = PLAIN, bare = PLAIN, lockstep = PLAIN,
      must = WITH_TLS, may = WITH_TLS, eximtls = WITH_TLS } do
      it("is as short as can be (" .. host .. ")", function()
        local verdict, source = ask("user@" .. host .. ".example", { source = world:source "watched" })
        assert.are.same({ "deliverable", "accepted" }, said(verdict))
        local seen = world:sessions(host, source)
        assert.are.equal(1, #seen)
        assert_polite(seen[1])
        local commands = {}
        for i, command in ipairs(expected) do commands[i] = command:format(host) end
        assert.are.same(commands, sessions.commands(seen[1]))
      end)
    end

    it("begins when the greeting is whole (patient)", function()
      local verdict, source = ask("user@patient.example")
      assert.are.same({ "deliverable", "accepted" }, said(verdict))
      assert.are.equal(1, world:connections("patient", source))
      local log = world:log("postfix")
      assert.is_not_nil(log:find("PASS NEW [" .. source .. "]", 1, true))
      assert.is_nil(log:find("PREGREET[^\n]*" .. source:gsub("%.", "%%.")))
    end)

    it("gives the null sender where the identity has it", function()
      local verdict, source = ask("user@exim.example", { sender = "<>" })
      assert.are.same({ "deliverable", "accepted" }, said(verdict))
      assert.are.equal("MAIL FROM:<>", sessions.commands(world:sessions("exim", source)[1])[2])
    end)
  end)

  describe("TLS", function()
    for host, verified in pairs { must = true, may = true, eximtls = true, selfsigned = false, wrongname = false,
      expired = false } do
      it(("is used, and the certificate of %s is %s"):format(host, verified and "good" or "not"), function()
        local list = { "user@" .. host .. ".example", "nobody@" .. host .. ".example" }
        local verdicts, source = ask_all(list, { tls_ca_file = world.ca_file })
        assert_right(list, verdicts)
        local theirs = assert(world:handshake(host))
        for _, address in ipairs(list) do
          local tls = assert(verdicts[address].tls)
          assert.are.same({ theirs.version, theirs.cipher, verified }, { tls.version, tls.cipher, tls.verified })
          assert.are.equal(verified, theirs.verified == "OK")
          assert.are.equal(verified, tls.why == nil)
        end
        for _, session in ipairs(world:sessions(host, source)) do
          if session.counts then assert.are.equal(1, session.counts.starttls) end
        end
      end)
    end

    it("is not verified when nobody named the CA, and used all the same", function()
      local verdict = ask("user@must.example")
      assert.are.same({ "deliverable", "accepted" }, said(verdict))
      assert.is_false(verdict.tls.verified)
      assert.is_string(verdict.tls.why)
    end)

    it("\"off\": nothing where it may be, 530 where it must be", function()
      local verdict, source = ask("user@may.example", { tls = "off" })
      assert.are.same({ "deliverable", "accepted" }, said(verdict))
      assert.is_nil(verdict.tls)
      assert.is_nil(world:sessions("may", source)[1].counts.starttls)
      verdict = ask("user@must.example", { tls = "off" })
      assert.are.equal("unknown", verdict.status)
      assert.are.same({ 530, "5.7.0" }, { verdict.reply.code, verdict.reply.enhanced })
    end)

    it("\"require\": no mailbox is asked about without it", function()
      for _, host in ipairs { "postfix", "badkey", "broken" } do
        local verdict, source = ask("user@" .. host .. ".example", { tls = "require" })
        assert.are.equal("unknown", verdict.status, host)
        for _, session in ipairs(world:sessions(host, source)) do
          assert.is_nil(session.counts.mail, host)
          assert.is_nil(session.counts.rcpt, host)
        end
      end
      assert.are.same({ "deliverable", "accepted" }, said((ask("user@must.example", { tls = "require" }))))
    end)

    it("that a server refuses (454) is done without", function()
      local list = mailboxes("badkey.example", 3, 1)
      local verdicts = ask_all(list)
      assert_right(list, verdicts)
      assert.is_nil(verdicts[list[1]].tls)
    end)

    it("that fails is done without, on a connection of its own, and the host is remembered", function()
      local source = world:source()
      local validator = rcpt.new(world:options { source = source })
      local first = assert(validator:validate("user@broken.example"))
      local second = assert(validator:validate("nobody@broken.example"))
      validator:close()
      assert.are.same({ "deliverable", "accepted" }, said(first))
      assert.are.same({ "undeliverable", "mailbox_unknown" }, said(second))
      local failed = 0
      for _, session in ipairs(world:sessions("broken", source)) do
        if session.counts.starttls then failed = failed + 1 end
      end
      assert.are.equal(1, failed)
    end)

    it("that fails and must be is an unknown", function()
      local verdict = ask("user@brokenmust.example")
      assert.are.equal("unknown", verdict.status)
    end)

    it("of OpenSMTPD, which not every build of it can do, never costs the verdict", function()
      local able = world:handshake("opentls")
      local list = mailboxes("opentls.example", 3, 0)
      local verdicts = ask_all(list)
      for _, address in ipairs(list) do
        assert.are.same({ "deliverable", "accepted" }, said(verdicts[address]))
        assert.are.equal(able ~= nil, verdicts[address].tls.version ~= nil)
      end
      assert.are.equal(able and "deliverable" or "unknown", (ask("user@openmust.example")).status)
    end)

    it("of 1999 is better than none", function()
      local verdict = ask("user@oldtls.example")
      assert.are.same({ "deliverable", "accepted" }, said(verdict))
      assert.are.equal("TLSv1", verdict.tls and verdict.tls.version)
    end)
  end)

  describe("extensions", function()
    local ADDRESS = "pel\195\169@%s.example"

    it("SMTPUTF8 is asked for where an address needs it, and only there", function()
      local list = { ADDRESS:format("postfix"), "user1@postfix.example", "user2@postfix.example" }
      local verdicts, source = ask_all(list, { source = world:source "watched" })
      for _, address in ipairs(list) do assert.are.same({ "deliverable", "accepted" }, said(verdicts[address])) end
      for _, session in ipairs(world:sessions("postfix", source)) do
        assert_polite(session)
        local needs
        for _, command in ipairs(sessions.commands(session)) do
          if command:match("^MAIL") then needs = command:match(" SMTPUTF8") ~= nil end
          if command:match("^RCPT") then assert.are.equal(command:find("[\128-\255]") ~= nil, needs, command) end
        end
      end
    end)

    for _, host in ipairs { "opensmtpd", "bare" } do
      it(host .. " has no SMTPUTF8, so such a mailbox is not asked about", function()
        local verdict, source = ask(ADDRESS:format(host), { source = world:source "watched" })
        assert.are.equal("smtputf8_unsupported", verdict.reason)
        for _, session in ipairs(world:sessions(host, source)) do assert_polite(session) end
      end)
    end
  end)

  describe("identities", function()
    it("are what a server sees: name, sender, source", function()
      local sources = { world:source "watched", world:source "watched" }
      local list = mailboxes("exim.example", 10, 0)
      local seen = {}
      for i, source in ipairs(sources) do
        ask_all(list, { identities = { { name = "n" .. i, helo = "probe" .. i .. ".example",
          sender = "sender" .. i .. "@probe.example", source = source } } })
        for _, session in ipairs(world:sessions("exim", source)) do
          local commands = sessions.commands(session)
          -- A connection opened for one who was then served by another says QUIT at once.
          if commands[2] ~= "QUIT" then seen[#seen + 1] = commands[1] .. " " .. commands[2] end
        end
      end
      assert.are.same("EHLO probe1.example MAIL FROM:<sender1@probe.example>", seen[1])
      assert.are.same("EHLO probe2.example MAIL FROM:<sender2@probe.example>", seen[#seen])
    end)

    -- An identity behind a proxy; `extra` changes the proxy.
    local function behind(proxy, extra)
      local way = {}
      for name, value in pairs(proxy) do way[name] = value end
      for name, value in pairs(extra or {}) do way[name] = value end
      return { { name = "away", helo = "probe.example", sender = "user@probe.example", proxy = way } }
    end

    local function ask_behind(address, identities, extra)
      local options = { identities = identities }
      for name, value in pairs(extra or {}) do options[name] = value end
      return (ask(address, options))
    end

    for name, seen_from in pairs { proxy = servers.proxy_source, open_proxy = servers.open_proxy_source } do
      it("with a proxy (" .. name .. ") are seen from there, and the verdict says so", function()
        local before = world:connections("exim", seen_from)
        local verdict = ask_behind("user@exim.example", behind(world[name]))
        assert.are.same({ "deliverable", "accepted" }, said(verdict))
        assert.is_truthy(verdict.identity.proxy)
        assert.are.equal(before + 1, world:connections("exim", seen_from))
      end)

      it("with a proxy (" .. name .. ") have TLS too", function()
        local verdict = ask_behind("user@must.example", behind(world[name]), { tls_ca_file = world.ca_file })
        assert.are.same({ "deliverable", "accepted" }, said(verdict))
        assert.is_true(verdict.tls.verified)
      end)
    end

    it("with a proxy's wrong password: unknown, and no word to the server", function()
      local before = world:connections("exim", servers.proxy_source)
      local verdict = ask_behind("user@exim.example", behind(world.proxy, { password = "wrong" }))
      assert.are.equal("unknown", verdict.status)
      assert.are.equal(before, world:connections("exim", servers.proxy_source))
    end)

    it("with a proxy do not reach what is refused without", function()
      local log = #world:log("open_microsocks")
      local verdict = ask_behind("user@exim.example", behind(world.open_proxy), { allow_nets = {} })
      assert.are.same({ "undeliverable", "bogus_mx" }, said(verdict))
      assert.are.equal(log, #world:log("open_microsocks"))
    end)

    it("with a proxy tell a dead host from a dead proxy", function()
      local host = ask_behind("user@deadonly.example", behind(world.open_proxy))
      assert.are.same({ "unknown", "connect_failed" }, said(host))
      local proxy = ask_behind("user@exim.example", behind(world.open_proxy, { host = "127.0.2.9" }))
      assert.are.same({ "unknown", "connect_failed", "proxy" }, { proxy.status, proxy.reason, proxy.diagnosis })
      assert.are_not.equal("proxy", host.diagnosis)
    end)
  end)

  describe("VRFY", function()
    it("is never said unless asked for; asked for, it takes no verdict away", function()
      for _, host in ipairs { "postfix", "exim", "opensmtpd", "bare" } do
        local list = { "user@" .. host .. ".example", "nobody@" .. host .. ".example" }
        assert_right(list, (ask_all(list)))
        assert_right(list, (ask_all(list, { vrfy = true })))
      end
    end)
  end)

  describe("address families", function()
    it("an IPv6 that is dead costs nothing, and the IPv4 one connection", function()
      local verdict, source = ask("user@six.example", { allow_nets = { "127.0.0.0/8", "::1/128" } })
      assert.are.same({ "deliverable", "accepted", "127.0.2.1" }, { verdict.status, verdict.reason, verdict.ip })
      assert.is_true(verdict.elapsed < 2, verdict.elapsed)
      assert.are.equal(1, world:connections("postfix", source))
    end)
  end)
end)
