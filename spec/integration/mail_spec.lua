-- The same questions to Postfix, Exim and OpenSMTPD, found through unbound and knot.
-- What each of them says is theirs; what it means must be the same.
local servers = require "spec.support.servers"

describe("real mail servers #integration", function()
  if servers.left_out(pending, "Postfix, Exim and OpenSMTPD") then return end
  local rcpt = require "rcpt"
  local sessions = require "spec.support.servers.sessions"
  local world

  setup(function() world = servers.start() end)

  -- Ask one question from a source of its own.
  local function ask(address, extra)
    local options = world:options(extra)
    options.source = options.source or world:source()
    local validator = rcpt.new(options)
    local verdict = assert(validator:validate(address))
    validator:close()
    return verdict, options.source
  end

  local MTAS = {
    { name = "postfix", ip = "127.0.2.1" },
    { name = "exim", ip = "127.0.2.2" },
    { name = "opensmtpd", ip = "127.0.2.3" },
  }
  for _, mta in ipairs(MTAS) do mta.domain, mta.host = mta.name .. ".example", "mx." .. mta.name .. ".example" end

  -- local part, status, reason, and what each says: code and enhanced code
  local QUESTIONS = {
    { "user", "deliverable", "accepted",
      postfix = { 250, "2.1.5" }, exim = { 250 }, opensmtpd = { 250, "2.1.5" } },
    { "nobody", "undeliverable", "mailbox_unknown",
      postfix = { 550, "5.1.1" }, exim = { 550 }, opensmtpd = { 524, "5.2.4" } },
    { "full", "risky", "mailbox_full",
      postfix = { 552, "5.2.2" }, exim = { 550, "5.2.2" }, opensmtpd = { 552, "5.2.2" } },
    { "later", "risky", "mailbox_full",
      postfix = { 452, "4.2.2" }, exim = { 451, "4.2.2" }, opensmtpd = { 452, "4.2.2" } },
    { "soft", "unknown", "mailbox_unknown",     -- a 4yz reply is never "undeliverable"
      postfix = { 450, "4.1.1" }, exim = { 451, "4.1.1" }, opensmtpd = { 450, "4.1.1" } },
    { "grey", "unknown", "greylisted",
      postfix = { 450, "4.7.1" }, exim = { 451, "4.7.1" }, opensmtpd = { 450, "4.7.1" } },
  }

  for _, mta in ipairs(MTAS) do
    describe(mta.name, function()
      for _, row in ipairs(QUESTIONS) do
        it(("says of %s@: %s, %s"):format(row[1], row[2], row[3]), function()
          local verdict = ask(row[1] .. "@" .. mta.domain)
          assert.are.same({ row[2], row[3] }, { verdict.status, verdict.reason })
          assert.are.same(row[mta.name], { verdict.reply.code, verdict.reply.enhanced })
          assert.are.equal("rcpt", verdict.reply.stage)
          assert.are.same({ mta.host, mta.ip, world.port }, { verdict.host, verdict.ip, verdict.port })
        end)
      end

      it("blocks us: nothing is said of the mailbox, be it there or not", function()
        for _, name in ipairs { "user", "nobody" } do
          local verdict = ask(name .. "@" .. mta.domain, { source = "127.0.66.6" })
          assert.are.same({ "unknown", "blocked" }, { verdict.status, verdict.reason })
        end
      end)

      it("is only greeted at level \"connect\"", function()
        local verdict = ask("nobody@" .. mta.domain, { level = "connect" })
        assert.are.same({ "unknown", "not_asked", true, "connect" },
          { verdict.status, verdict.reason, verdict.passed, verdict.stage })
      end)
    end)
  end

  -- What the domain's host says when it does not serve the domain. OpenSMTPD has one answer for that
  -- and for an invalid recipient, so it is taken at its word.
  for name, expected in pairs {
    postfix = { "unknown", "relay_denied", 554 },
    exim = { "unknown", "relay_denied", 550 },
    opensmtpd = { "undeliverable", "mailbox_unknown", 550 },
  } do
    it(name .. " is asked for a domain that is not its own: " .. expected[2], function()
      local verdict = ask("user@relay-" .. name .. ".example")
      assert.are.same(expected, { verdict.status, verdict.reason, verdict.reply.code })
    end)
  end

  it("a host that is not responsible gives way to the next one", function()
    local verdict = ask("user@moved.example")
    assert.are.same({ "accepted", "mx.postfix.example" }, { verdict.reason, verdict.host })
    assert.are.same({ "relay_denied", 2 }, { verdict.evidence[1].reason, #verdict.evidence })
  end)

  it("a yes of the second host is at most risky where the first said later", function()
    local verdict = ask("grey@backup.example")
    assert.are.same({ "risky", "accepted", "mx.postfix.example" }, { verdict.status, verdict.reason, verdict.host })
    assert.are.equal("greylisted", verdict.evidence[1].reason)
  end)

  describe("what a server sees of us", function()
    -- The commands of a question about `recipient`, all of them.
    local function expected(recipient)
      return { "EHLO probe.example", "MAIL FROM:<user@probe.example>", "RCPT TO:<" .. recipient .. ">", "QUIT" }
    end

    -- The one session of a question.
    local function session(host, source)
      local list = world:sessions(host, source)
      assert.are.equal(1, #list)
      return list[1]
    end

    it("is EHLO, MAIL, RCPT and QUIT, and no DATA (Postfix counts)", function()
      for name, counts in pairs {
        user = { ehlo = 1, mail = 1, rcpt = 1, quit = 1, commands = 4 },
        nobody = { ehlo = 1, mail = 1, rcpt = "0/1", quit = 1, commands = "3/4" },
      } do
        local _, source = ask(name .. "@postfix.example")
        assert.are.same(counts, session("postfix", source).counts)
      end
    end)

    it("is the same, word for word (Exim's debugging)", function()
      for _, name in ipairs { "user", "nobody", "grey" } do
        local _, source = ask(name .. "@exim.example")
        assert.are.same(expected(name .. "@exim.example"), sessions.commands(session("exim", source)))
      end
    end)

    it("is the same, and our transcript is the server's own (OpenSMTPD's trace)", function()
      for _, name in ipairs { "user", "nobody", "full" } do
        local verdict, source = ask(name .. "@opensmtpd.example", { transcript = true })
        local theirs, ours = session("opensmtpd", source), {}
        assert.are.same(expected(name .. "@opensmtpd.example"), sessions.commands(theirs))
        for line in verdict.transcript:gmatch("[^\n]+") do
          if line:match("^[SC]: ") then ours[#ours + 1] = line end
        end
        -- the verdict is there before the farewell: QUIT and its answer
        local said = theirs.dialogue
        assert.are.equal("C: QUIT", said[#said - 1])
        said[#said], said[#said - 1] = nil, nil
        assert.are.same(said, ours)
      end
    end)

    it("is a greeting and QUIT at level \"connect\"", function()
      local _, source = ask("user@postfix.example", { level = "connect" })
      assert.are.same({ quit = 1, commands = 1 }, session("postfix", source).counts)
    end)
  end)

  it("answers a list at once as it answers each alone", function()
    local list, expected, got = {}, {}, {}
    for _, mta in ipairs(MTAS) do
      for _, row in ipairs(QUESTIONS) do
        local address = row[1] .. "@" .. mta.domain
        list[#list + 1], expected[address] = address, row[2] .. " " .. row[3]
      end
    end
    local validator, i = rcpt.new(world:options { concurrency = 8 }), 0
    local function next_address()
      i = i + 1
      return list[i]
    end
    for verdict in validator:each(next_address) do
      got[verdict.address] = verdict.status .. " " .. verdict.reason
    end
    validator:close()
    assert.are.same(expected, got)
  end)

  it("never lets an address write a line of its own", function()
    local verdict, source = ask("user@exim.example>\r\nDATA\r\n@exim.example")
    assert.are.same({ "undeliverable", "syntax" }, { verdict.status, verdict.reason })
    assert.are.equal(0, world:connections("exim", source))
  end)
end)
