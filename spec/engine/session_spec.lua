-- SPDX-License-Identifier: MIT
local Loop = require "spec.support.loop"
local World = require "spec.support.world"
local core = require "rcpt.core"

local USER, OTHER = "user@a.example", "nobody@a.example"
local ACCEPT = { [USER] = "250 2.1.5 ok" }

describe("engine/session", function()
  local world, loop

  -- A world with one host, 127.0.1.1, that behaves so.
  local function host(script)
    script = script or {}
    script.ip = script.ip or "127.0.1.1"
    script.name = script.name or "mx.a.example"
    script.rcpt = script.rcpt or ACCEPT
    world = World.start { hosts = { script } }
    loop = Loop.new()
  end

  local function options(extra)
    local o = { to = { "127.0.1.1" }, port = world.port, helo = "probe.example",
      sender = "user@probe.example", connect = 5, greeting = 5, reply = 5 }
    for k, v in pairs(extra or {}) do
      o[k] = v
    end
    return o
  end

  local function open(extra)
    local session = loop:await(loop.engine:open(options(extra)))
    return assert(session)
  end

  -- Who closed first; a server told to QUIT closes as well, so then either may be.
  local function closed_by()
    return world:wait(function(events)
      for _, event in ipairs(events) do
        if event.kind == "close" then
          return event.by
        end
      end
    end)
  end

  after_each(function()
    if loop then
      loop:close()
    end
    if world then
      world:stop()
    end
    loop, world = nil, nil
  end)

  describe("a dialogue", function()
    it("asks about a recipient that is accepted", function()
      host()
      local session = open()
      local reply = loop:await(session:rcpt(USER))
      assert.same({ stage = "rcpt", code = 250, enhanced = "2.1.5", text = "ok", cut = false }, reply)
      assert.same({ "EHLO probe.example", "MAIL FROM:<user@probe.example>", "RCPT TO:<" .. USER .. ">" },
        world:lines())
    end)

    it("asks about one that is refused, and stays ready", function()
      host()
      local session = open()
      local reply = loop:await(session:rcpt(OTHER))
      assert.equal(550, reply.code)
      assert.equal("5.1.1", reply.enhanced)
      assert.is_true(session:ready())
      assert.is_nil(session:evidence().err)
    end)

    it("gives the refusal of MAIL as the answer, at its stage", function()
      host { mail = "553 5.1.8 your domain does not exist" }
      local reply = loop:await(open():rcpt(USER))
      assert.equal("mail", reply.stage)
      assert.equal(553, reply.code)
    end)

    it("uses the null sender where none is given", function()
      host()
      local o = options()
      o.sender = nil
      local session = loop:await(loop.engine:open(o))
      loop:await(session:rcpt(USER))
      assert.equal("MAIL FROM:<>", world:lines()[2])
    end)

    it("joins the lines of a reply", function()
      host { rcpt = "550-5.1.1 one\n550-5.1.1 two\n550 5.1.1 three" }
      local reply = loop:await(open():rcpt(USER))
      assert.equal("one\ntwo\nthree", reply.text)
      assert.equal("5.1.1", reply.enhanced)
    end)

    it("hears the same when every octet comes alone", function()
      local function torn(text)
        return { torn = text .. "\r\n", every = 0.0005 }
      end
      host { greeting = torn "220-mx\r\n220 ESMTP", ehlo = torn "250-mx\r\n250 PIPELINING",
        mail = torn "250 2.1.0 ok", rcpt = torn "550-5.1.1 no\r\n550 5.1.1 such user" }
      local session = open()
      local reply = loop:await(session:rcpt(USER))
      assert.same({ stage = "rcpt", code = 550, enhanced = "5.1.1", text = "no\nsuch user", cut = false },
        reply)
      local stages = {}
      for i, r in ipairs(session:evidence().replies) do
        stages[i] = r.stage .. " " .. r.code
      end
      assert.same({ "greeting 220", "ehlo 250", "mail 250", "rcpt 550" }, stages)
    end)

    it("falls back to HELO", function()
      host { ehlo = "502 5.5.1 not here" }
      local session = open()
      assert.equal(250, loop:await(session:rcpt(USER)).code)
      assert.same({ "EHLO probe.example", "HELO probe.example" }, { world:lines()[1], world:lines()[2] })
    end)

    it("says nothing but QUIT where only the greeting is wanted", function()
      host()
      local session = open { greeting_only = true, helo = false or nil }
      assert.is_false(session:ready())
      assert.is_nil(session:evidence().err)
      assert.equal(220, session:evidence().replies[1].code)
      assert.truthy(closed_by())
      assert.same({ "QUIT" }, world:lines())
    end)

    it("asks questions of one domain in one transaction, and answers them in order", function()
      host { rcpt = { ["a@a.example"] = "250 a", ["b@a.example"] = "251 b", ["c@a.example"] = "450 c" } }
      local session = open()
      local a, b, c = session:rcpt "a@a.example", session:rcpt "b@a.example", session:rcpt "c@a.example"
      assert.equal(450, loop:await(c).code)
      assert.equal(250, loop:await(a).code)
      assert.equal(251, loop:await(b).code)
      local lines = table.concat(world:lines(), " ")
      assert.truthy(lines:find("a@a.example> RCPT TO:<b@a.example> RCPT TO:<c@", 1, true))
    end)

    it("leaves with QUIT, once", function()
      host()
      local session = open()
      session:quit()
      session:quit()
      assert.is_false(session:ready())
      assert.truthy(closed_by())
      assert.equal(1, world:count("line", "^QUIT$"))
      local job, _, code = session:rcpt(USER)
      assert.is_nil(job)
      assert.equal("closed", code)
    end)

    it("leaves with QUIT when it is collected", function()
      host()
      open()
      collectgarbage()
      collectgarbage()
      assert.truthy(closed_by())
      assert.equal(1, world:count("line", "^QUIT$"))
    end)

    it("goes on for a question whose session nobody holds", function()
      host { rcpt = { [USER] = { { wait = 0.1 }, "250 ok" } } }
      local job = open():rcpt(USER)
      collectgarbage()
      collectgarbage()
      assert.equal(250, loop:await(job).code)
      assert.truthy(closed_by())
      assert.equal(1, world:count("line", "^QUIT$"))
    end)
  end)

  describe("evidence", function()
    it("tells where it was and what was said", function()
      host()
      local session = open { transcript = true, source4 = "127.0.0.9" }
      loop:await(session:rcpt(USER))
      local e = session:evidence()
      assert.equal("127.0.1.1", e.ip)
      assert.equal(world.port, e.port)
      assert.equal("127.0.0.9", e.source)
      assert.equal("rcpt", e.stage)
      assert.is_nil(e.err)
      assert.equal(4, #e.replies)
      session:quit()
      assert.equal(table.concat({
        "S: 220 mx.a.example ESMTP", "C: EHLO probe.example", "S: 250-mx.a.example",
        "S: 250-PIPELINING", "S: 250-ENHANCEDSTATUSCODES", "S: 250 SMTPUTF8",
        "C: MAIL FROM:<user@probe.example>", "C: RCPT TO:<" .. USER .. ">", "S: 250 2.1.0 ok",
        "S: 250 2.1.5 ok", "C: QUIT", "" }, "\n"), session:evidence().transcript)
    end)

    it("has no transcript that was not asked for", function()
      host()
      assert.is_nil(open():evidence().transcript)
    end)

    it("is of the opening and of the latest question", function()
      host()
      local session = open { sender = "", transcript = true } -- whose questions have a transaction each
      loop:await(session:rcpt(USER))
      loop:await(session:rcpt(OTHER))
      local stages, e = {}, session:evidence()
      for i, r in ipairs(e.replies) do
        stages[i] = r.stage .. " " .. r.code
      end
      assert.same({ "greeting 220", "ehlo 250", "rset 250", "mail 250", "rcpt 550" }, stages)
      assert.truthy(e.transcript:find("EHLO", 1, true))
      assert.truthy(e.transcript:find(OTHER, 1, true))
      assert.falsy(e.transcript:find(USER, 1, true))
    end)

    it("cuts a long transcript and says so", function()
      -- of this length, 64 lines leave 16 octets of 32 KiB: too few for the mark
      local line = ("x"):rep(503)
      host { ehlo = ("250-" .. line .. "\n"):rep(100) .. "250 PIPELINING" }
      local text = open { transcript = true }:evidence().transcript
      assert.is_true(#text <= 32768)
      assert.is_true(#text > 32000)
      assert.truthy(text:find "\n%.%.%.: the rest is left out\n$")
    end)

    it("gives a reply's octets as they came", function()
      host { rcpt = { raw = "550 5.1.1 \228\0\255 no\r\n" } }
      assert.equal("\228\0\255 no", loop:await(open():rcpt(USER)).text)
    end)
  end)

  describe("a host that refuses", function()
    for _, case in ipairs {
      { "at the greeting", { greeting = "554 5.7.1 go away" }, "greeting", 554, 1 },
      { "at the greeting with 421", { greeting = "421 4.3.2 busy" }, "greeting", 421, 0 },
      { "at EHLO", { ehlo = "450 4.7.1 later" }, "ehlo", 450, 1 },
      { "at HELO", { ehlo = "500 what", helo = "550 5.7.1 not you" }, "helo", 550, 1 },
    } do
      it(case[1] .. " leaves a session that is not ready, with its words", function()
        host(case[2])
        local session = open()
        local e = session:evidence()
        assert.is_false(session:ready())
        assert.is_nil(e.err)
        assert.equal(case[3], e.stage)
        assert.equal(case[4], e.replies[#e.replies].code)
        assert.truthy(closed_by())
        assert.equal(case[5], world:count("line", "^QUIT$"))
      end)
    end

    it("with 421 at RCPT gives it as the answer", function()
      host { rcpt = "421 4.7.0 closing" }
      local session = open()
      assert.equal(421, loop:await(session:rcpt(USER)).code)
      assert.is_false(session:ready())
    end)

    it("with 421 between questions leaves the queued ones unanswered", function()
      host { rset = "421 4.7.0 closing" }
      local session = open { sender = "" }
      local first, second, third = session:rcpt(USER), session:rcpt(USER), session:rcpt(USER)
      assert.equal(250, loop:await(first).code)
      for _, job in ipairs { second, third } do
        local reply, _, code = loop:await(job)
        assert.is_false(reply)
        assert.equal("eof", code)
      end
      local replies = session:evidence().replies
      assert.equal("rset", replies[#replies].stage)
      assert.equal(421, replies[#replies].code)
    end)
  end)

  -- stage -> the script's field that misbehaves there
  local STAGES = { greeting = "greeting", ehlo = "ehlo", mail = "mail", rcpt = "rcpt" }

  -- Open, and ask where the opening got through; the session and what the question gave.
  local function provoke(field, step, extra)
    host { [field] = step }
    local session = open(extra)
    if session:ready() then
      return session, loop:await(session:rcpt(USER))
    end
    return session
  end

  for stage, field in pairs(STAGES) do
    for _, case in ipairs {
      { "hangs up", { close = true }, "eof" },
      { "resets", { { wait = 0.05 }, { reset = true } }, "reset" },   -- once we know that we are connected
      { "says nothing", { silence = true }, "timeout", { greeting = 0.15, reply = 0.15 } },
      { "stops in the middle of a line", { { raw = "250-a\r\n25" }, { silence = true } }, "timeout",
        { greeting = 0.15, reply = 0.15 } },
      { "speaks another protocol", { raw = "HTTP/1.1 400 Bad Request\r\n\r\n" }, "proto" },
      { "floods", { flood = 3000000 }, "toolong" },
    } do
      it(("at %s a host that %s is lost as %s"):format(stage, case[1], case[3]), function()
        local before = Loop.memory()
        local session, reply, _, code = provoke(field, case[2], case[4])
        local e = session:evidence()
        assert.equal(case[3], e.err)
        assert.equal(stage, e.stage)
        assert.is_false(session:ready())
        if stage == "mail" or stage == "rcpt" then
          assert.is_false(reply)
          assert.equal(case[3], code)
        else
          assert.is_nil(reply)
        end
        assert.is_true(Loop.memory() - before < 8)
      end)
    end
  end

  describe("an idle session", function()
    it("notices a hang-up", function()
      host { rcpt = { [USER] = { "250 ok", { close = true } } } }
      local session = open()
      assert.equal(250, loop:await(session:rcpt(USER)).code)
      loop:run(function() return not session:ready() end)
      assert.equal("eof", session:evidence().err)
    end)

    it("takes an unasked reply of success as out of step", function()
      host { rcpt = { [USER] = { "550 5.1.1 no", { wait = 0.05 }, "250 yes" } } }
      local session = open()
      assert.equal(550, loop:await(session:rcpt(USER)).code)
      loop:run(function() return not session:ready() end)
      assert.equal("proto", session:evidence().err)
    end)

    it("never takes a reply that came too early for an answer", function()
      -- taken for the answer to EHLO, the second line would make this session look ready
      host { greeting = { raw = "220 mx\r\n250 mx\r\n" } }
      local session = open()
      assert.is_false(session:ready())
      assert.equal("proto", session:evidence().err)
      assert.equal(0, world:count("line", "^EHLO"))
    end)
  end)

  describe("time", function()
    it("ends an opening at its deadline", function()
      host { greeting = { silence = true } }
      local session = open { deadline = 0.5 }
      assert.equal("timeout", session:evidence().err)
      assert.equal("greeting", session:evidence().stage)
    end)

    it("does not start the patience anew for every line that trickles in", function()
      local trickle = {}
      for i = 1, 40 do
        trickle[2 * i - 1], trickle[2 * i] = { raw = "220-wait\r\n" }, { wait = 0.05 }
      end
      host { greeting = trickle }
      local started = core.now()
      assert.equal("timeout", open { greeting = 0.3 }:evidence().err)
      assert.is_true(core.now() - started < 1.5)      -- the trickle lasts 2 s
    end)

    it("detaches a question that is late; the next one gets its own answer", function()
      host { rcpt = { [OTHER] = { { wait = 0.3 }, "550 5.1.1 no" }, [USER] = "250 2.1.5 ok" } }
      local session = open()
      local result, _, code = loop:await(session:rcpt(OTHER, 0.1))
      assert.is_nil(result)
      assert.equal("timeout", code)
      assert.is_true(session:ready())
      assert.equal(250, loop:await(session:rcpt(USER)).code)
    end)

    it("ends a question whose deadline is over before it is put", function()
      host { rcpt = { [OTHER] = { { wait = 0.2 }, "550 no" }, [USER] = "250 ok" } }
      local session = open()
      local first = session:rcpt(OTHER)
      local _, _, code = loop:await(session:rcpt(USER, -1))
      assert.equal("timeout", code)
      assert.equal(550, loop:await(first).code)
      assert.equal(0, world:count("line", USER:gsub("%p", "%%%0")))
    end)
  end)

  describe("cancelling", function()
    for stage, field in pairs(STAGES) do
      it("at " .. stage .. " is reported once and leaves no descriptor", function()
        host { [field] = { silence = true } }
        local before = Loop.descriptors()
        local job, session
        if field == "greeting" or field == "ehlo" then
          job = loop.engine:open(options())
        else
          session = open()
          job = session:rcpt(USER)
        end
        local said = { greeting = "^$", ehlo = "^EHLO", mail = "^MAIL", rcpt = "^RCPT" }
        world:wait(function()
          return stage == "greeting" and world:count "connect" > 0 or world:count("line", said[stage]) > 0
        end, 5, function() loop:turn(0.02) end)
        job:cancel()
        job:cancel()
        local result, _, code = loop:await(job)
        assert.is_nil(result)
        assert.equal("cancelled", code)
        if session then
          assert.is_true(session:ready())
          session:quit()
        end
        assert.equal("client", closed_by())
        assert.equal(before, Loop.descriptors())
        assert.equal(0, loop.engine:pending())
      end)
    end

    it("of a question lets the next one have its own answer", function()
      host { rcpt = { [OTHER] = { { wait = 0.2 }, "550 5.1.1 no" }, [USER] = "250 2.1.5 ok" } }
      local session = open()
      local first, second = session:rcpt(OTHER), session:rcpt(USER)
      loop:turn(0.05)
      first:cancel()
      assert.equal(250, loop:await(second).code)
    end)

    it("of a question not yet put never puts it", function()
      host { rcpt = { [OTHER] = { { wait = 0.1 }, "550 no" }, [USER] = "250 ok" } }
      local session = open()
      local first, second = session:rcpt(OTHER), session:rcpt(USER)
      second:cancel()
      assert.equal(550, loop:await(first).code)
      session:quit()
      closed_by()
      assert.equal(0, world:count("line", "user@a"))
    end)

    it("of an opening that is greeted says QUIT", function()
      host()
      local job = loop.engine:open(options())
      -- greeted, and ended, but not yet drained
      local deadline = core.now() + 5
      repeat
        loop.engine:wait(0.1)
        loop.engine:step()
      until tostring(job):find "ok" or core.now() > deadline
      job = nil -- luacheck: ignore 311
      collectgarbage()
      collectgarbage()
      assert.equal(0, loop:collect())
      assert.truthy(closed_by())
      assert.equal(1, world:count("line", "^QUIT$"))
    end)

    it("by quitting ends the questions under way as closed", function()
      host { rcpt = { silence = true } }
      local session = open()
      local a, b = session:rcpt(USER), session:rcpt(OTHER)
      session:quit()
      local _, _, code = loop:await(a)
      assert.equal("closed", code)
      _, _, code = loop:await(b)
      assert.equal("closed", code)
    end)
  end)

  describe("what may go on the wire", function()
    it("refuses recipients that could end the line", function()
      host()
      local session = open()
      for _, bad in ipairs { "", "a\r\nRCPT@b.example", "a\nb@c.example", "a\0b@c.example",
        "a@" .. ("b"):rep(300), "a\127@b.example" } do
        local job, _, code = session:rcpt(bad)
        assert.is_nil(job)
        assert.equal("badarg", code)
      end
      local _, _, code = loop:await(session:rcpt "a> SIZE=1 <b@c.example")
      assert.equal("badarg", code)
      assert.equal(250, loop:await(session:rcpt(USER)).code)
      assert.equal(1, world:count("line", "^MAIL"))
    end)

    it("refuses a name or a sender that could end the line", function()
      host()
      for _, bad in ipairs { { helo = "a\r\nQUIT" }, { helo = "" }, { helo = "a\0b" }, { helo = "a b" },
        { sender = "a@b.example>\r\nDATA" }, { sender = "a\0@b.example" } } do
        local job, _, code = loop.engine:open(options(bad))
        assert.is_nil(job)
        assert.equal("badarg", code)
      end
      assert.equal(0, world:count "connect")
    end)

    it("does not put an address in UTF-8 to a host that takes none, and stays ready", function()
      host { ehlo = "250-mx\n250 PIPELINING" }
      local session = open()
      local reply, _, code = loop:await(session:rcpt "\195\164@a.example")
      assert.is_false(reply)
      assert.equal("smtputf8_unsupported", code)
      assert.equal("smtputf8_unsupported", session:evidence().err)
      assert.is_true(session:ready())
      assert.equal(250, loop:await(session:rcpt(USER)).code)
      assert.is_nil(session:evidence().err)
    end)
  end)

  describe("a thousand #slow", function()
    local N = 1000
    it("run at once in about the time of one, in little memory, and leave nothing", function()
      host { delay = 0.3 }
      local engine = loop.engine
      local fds, before = Loop.descriptors(), Loop.memory()
      local jobs, started = {}, core.now()
      for i = 1, N do
        jobs[i] = assert(engine:open(options { greeting = 20, reply = 20 }))
      end
      local sessions = {}
      for i = 1, N do
        sessions[i] = loop:await(jobs[i])
        assert.is_true(sessions[i]:ready())
        jobs[i] = sessions[i]:rcpt(USER)
      end
      local used = Loop.memory() - before
      for i = 1, N do
        assert.equal(250, loop:await(jobs[i]).code)
      end
      -- four replies of 0.3 s each are 1.2 s; one after the other they would be 1,200 s
      assert.is_true(core.now() - started < 10)
      assert.is_true(used < 20, "used " .. used .. " MiB")
      for i = 1, N do
        sessions[i]:quit()
      end
      assert.equal(fds, Loop.descriptors())
      assert.equal(N, world:max_open())
    end)

    it("are gone when the engine is closed under them", function()
      host { greeting = { silence = true } }
      local fds = Loop.descriptors()
      local jobs = {}
      for i = 1, N do
        jobs[i] = assert(loop.engine:open(options()))
      end
      loop:turn(0.1)
      assert.is_true(Loop.descriptors() > fds + 900)
      loop.engine:close()
      -- the engine's own two went as well
      assert.equal(fds - 2, Loop.descriptors())
      assert.equal("rcpt.job (open, closed)", (tostring(jobs[1]):gsub(":.*", "")))
    end)
  end)
end)
