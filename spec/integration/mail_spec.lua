-- The same questions to Postfix, Exim and OpenSMTPD, found through unbound and knot.
-- What each of them says is theirs; what it means must be the same.
local servers = require "spec.support.servers"

describe("real mail servers #integration", function()
  if servers.left_out(pending, "Postfix, Exim and OpenSMTPD") then return end
  local rcpt = require "rcpt"
  local world, last = nil, 0

  setup(function() world = servers.start() end)

  -- A source address nobody has used: the servers' logs name it.
  local function fresh_source()
    last = last + 1
    return "127.0.33." .. last
  end

  -- Ask one question from a source of its own.
  local function ask(address, extra)
    local options = world:options(extra)
    options.source = options.source or fresh_source()
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
    local function quoted(text) return (text:gsub("[%.%[%]]", "\\%0")) end

    -- The log of `server` from octet `from` on, once it has a line with `pattern`.
    local function logged(server, pattern, from)
      return assert(world:logged(server, pattern, from), "nothing like '" .. pattern .. "' in the log of " .. server)
    end

    local function matches(log, pattern)
      local list = {}
      for found in log:gmatch(pattern) do list[#list + 1] = found end
      return list
    end

    -- The commands of a question about `recipient`, all of them.
    local function expected(recipient)
      return { "EHLO probe.example", "MAIL FROM:<user@probe.example>", "RCPT TO:<" .. recipient .. ">", "QUIT" }
    end

    -- Postfix counts the commands of a session.
    local function counted(source, from)
      local session = quoted("disconnect from unknown[" .. source .. "]")
      return logged("postfix", session, from):match("disconnect from unknown%[" .. source .. "%] ([^\n]*)")
    end

    -- Exim's debugging has a process for each session.
    local function exim_commands(source, from)
      local log = logged("exim", quoted("[" .. source .. "]") .. ":[0-9]+ closed by QUIT", from)
      local process = log:match("Process (%d+) is handling incoming connection from %[" .. source .. "%]")
      return matches(log, "\n *" .. process .. " SMTP<< ([^\r\n]*)")
    end

    -- OpenSMTPD's trace has a pointer for each session, both ways of the dialogue, and an id for its end.
    local function opensmtpd_dialogue(source, from)
      local log = logged("opensmtpd", "smtp connected address=" .. quoted(source) .. " ", from)
      local id = log:match("(%x+) smtp connected address=" .. source .. " ")
      log = logged("opensmtpd", id .. " smtp disconnected reason=quit", from)
      local pointer, rest = log:match("smtp: (%w+): STATE_NEW [^\n]*\n" .. id .. " smtp connected(.*)")
      local list = {}
      for arrow, text in rest:match("^(.*)" .. id .. " smtp disconnected"):gmatch(
          "smtp: " .. pointer .. ": ([<>])%1%1 ([^\r\n]*)") do
        list[#list + 1] = (arrow == ">" and "S: " or "C: ") .. text
      end
      return list
    end

    it("is EHLO, MAIL, RCPT and QUIT, and no DATA (Postfix counts)", function()
      for name, counts in pairs {
        user = "ehlo=1 mail=1 rcpt=1 quit=1 commands=4",
        nobody = "ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4",
      } do
        local from = #world:log("postfix")
        local _, source = ask(name .. "@postfix.example")
        assert.are.equal(counts, counted(source, from))
      end
    end)

    it("is the same, word for word (Exim's debugging)", function()
      for _, name in ipairs { "user", "nobody", "grey" } do
        local from = #world:log("exim")
        local _, source = ask(name .. "@exim.example")
        assert.are.same(expected(name .. "@exim.example"), exim_commands(source, from))
      end
    end)

    it("is the same, and our transcript is the server's own (OpenSMTPD's trace)", function()
      for _, name in ipairs { "user", "nobody", "full" } do
        local from = #world:log("opensmtpd")
        local verdict, source = ask(name .. "@opensmtpd.example", { transcript = true })
        local theirs, commands, ours = opensmtpd_dialogue(source, from), {}, {}
        for _, line in ipairs(theirs) do commands[#commands + 1] = line:match("^C: (.*)") end
        assert.are.same(expected(name .. "@opensmtpd.example"), commands)
        for line in verdict.transcript:gmatch("[^\n]+") do
          if line:match("^[SC]: ") then ours[#ours + 1] = line end
        end
        -- the verdict is there before the farewell: QUIT and its answer
        assert.are.equal("C: QUIT", theirs[#theirs - 1])
        theirs[#theirs], theirs[#theirs - 1] = nil, nil
        assert.are.same(theirs, ours)
      end
    end)

    it("is a greeting and QUIT at level \"connect\"", function()
      local from = #world:log("postfix")
      local _, source = ask("user@postfix.example", { level = "connect" })
      assert.are.equal("quit=1 commands=1", counted(source, from))
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
    local after, marker = ask("user@exim.example")     -- by then the server would have told of the first
    assert.are.equal("accepted", after.reason)
    local log = world:logged("exim", marker:gsub("%.", "\\."), 0)
    assert.is_nil(assert(log):find(source .. "]", 1, true))
  end)
end)
