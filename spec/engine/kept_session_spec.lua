-- Sessions that are kept: idle, lost while idle, asked again, asked with VRFY.
-- SPDX-License-Identifier: MIT
local Loop = require "spec.support.loop"
local World = require "spec.support.world"
local core = require "rcpt.core"

local USER, OTHER, THIRD = "user@a.example", "nobody@a.example", "third@a.example"

describe("engine/session, kept", function()
  local world, loop

  local function host(script)
    script = script or {}
    script.ip, script.name = "127.0.1.1", "mx.a.example"
    script.rcpt = script.rcpt or { [USER] = "250 2.1.5 ok" }
    world = World.start { hosts = { script } }
    loop = Loop.new()
  end

  local function open(extra)
    local o = { to = { "127.0.1.1" }, port = world.port, helo = "probe.example", sender = "user@probe.example",
      connect = 5, greeting = 5, reply = 5 }
    for k, v in pairs(extra or {}) do
      o[k] = v
    end
    return assert(loop:await(loop.engine:open(o)))
  end

  -- Until the world has seen it; the engine is left alone.
  local function seen(kind, pattern, n)
    return assert.truthy(world:wait(function() return world:count(kind, pattern) >= (n or 1) end, 5))
  end

  local function stages(session)
    local out = {}
    for i, r in ipairs(session:evidence().replies) do
      out[i] = r.stage .. " " .. r.code
    end
    return table.concat(out, ", ")
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

  describe("idle", function()
    it("says QUIT and closes by itself after so long", function()
      host()
      local fds, started = Loop.descriptors(), core.now()
      local session = open { idle = 0.2 }
      assert.equal(250, loop:await(session:rcpt(USER)).code)
      assert.is_true(session:ready())
      loop:run(function() return not session:ready() end)
      assert.is_true(core.now() - started >= 0.19)
      assert.equal("closed", session:evidence().err)
      assert.equal("greeting 220, ehlo 250, mail 250, rcpt 250", stages(session))
      seen("line", "^QUIT$")
      assert.equal(fds, Loop.descriptors())
      local job, _, code = session:rcpt(USER)
      assert.is_nil(job)
      assert.equal("closed", code)
    end)

    it("does so too when it was never asked", function()
      host()
      local session = open { idle = 0.1 }
      loop:run(function() return not session:ready() end)
      seen("line", "^QUIT$")
    end)

    it("is not while a question is under way, however long that takes", function()
      host { rcpt = { [USER] = { { wait = 0.4 }, "250 ok" } } }
      local session = open { idle = 0.1 }
      assert.equal(250, loop:await(session:rcpt(USER)).code)
      assert.is_true(session:ready())
    end)

    it("begins anew with each question", function()
      host()
      local session = open { idle = 0.3 }
      for _ = 1, 4 do
        loop:await(loop.engine:sleep(0.15))
        assert.equal(250, loop:await(session:rcpt(USER)).code)
      end
      assert.is_true(session:ready())
    end)

    it("has its own patience with the answer that follows", function()
      host { rcpt = { [USER] = { { wait = 0.3 }, "250 ok" } } }
      local session = open { idle = 0.15, reply = 5 }
      loop:await(loop.engine:sleep(0.1))
      assert.equal(250, loop:await(session:rcpt(USER)).code)
    end)
  end)

  describe("lost while idle", function()
    for _, case in ipairs {
      { "a hang-up", { close = true }, "eof" }, { "a reset", { reset = true }, "reset" },
      { "a 421", { raw = "421 4.4.2 idle for too long\r\n" }, nil },
    } do
      it("is not ready any more, by " .. case[1], function()
        host { rcpt = { [USER] = { "250 ok", { wait = 0.05 }, case[2], { close = true } } } }
        local session = open()
        assert.equal(250, loop:await(session:rcpt(USER)).code)
        loop:run(function() return not session:ready() end)
        assert.equal(case[3], session:evidence().err)
      end)

      it("is seen before a question is put, though the engine was not run: " .. case[1], function()
        host { rcpt = { [USER] = { "250 ok", { wait = 0.02 }, case[2], { close = true } } } }
        local session = open()
        assert.equal(250, loop:await(session:rcpt(USER)).code)
        seen("close", nil)
        local reply, _, code = loop:await(session:rcpt(OTHER))
        assert.is_false(reply)
        assert.equal(case[3] or "eof", code)
        assert.is_false(session:ready())
        assert.equal(0, world:count("line", "nobody"))
        assert.falsy(stages(session):find "rcpt 250")      -- that was said of somebody else
      end)
    end

    it("keeps the words of its 421 for who asks too late", function()
      host { rcpt = { [USER] = { "250 ok", { wait = 0.02 }, { raw = "421 4.4.2 bye\r\n" }, { close = true } } } }
      local session = open()
      loop:await(session:rcpt(USER))
      seen("close", nil)
      loop:await(session:rcpt(OTHER))
      local replies = session:evidence().replies
      assert.equal(421, replies[#replies].code)
      assert.equal("bye", replies[#replies].text)
    end)

    it("never takes a late second reply for the answer to the next question", function()
      host { rcpt = { [USER] = { "450 4.7.1 wait", { wait = 0.02 }, { raw = "250 2.1.5 ok\r\n" } } } }
      local session = open()
      assert.equal(450, loop:await(session:rcpt(USER)).code)
      seen("reply", "^250 2.1.5 ok")
      local reply, _, code = loop:await(session:rcpt(OTHER))
      assert.is_false(reply)
      assert.equal("proto", code)
    end)

    it("answers those who queue with false, one and all", function()
      host { rcpt = { [USER] = "250 ok", [OTHER] = { close = true } } }
      local session = open()
      local first, lost, behind, last = session:rcpt(USER), session:rcpt(OTHER), session:rcpt(USER), session:rcpt(THIRD)
      assert.equal(250, loop:await(first).code)
      for _, job in ipairs { lost, behind, last } do
        local reply, _, code = loop:await(job)
        assert.is_false(reply)
        assert.equal("eof", code)
      end
    end)
  end)

  describe("evidence", function()
    it("is of the opening and the latest question", function()
      host()
      local session = open { transcript = true }
      loop:await(session:rcpt(USER))
      loop:await(session:rcpt(OTHER))
      assert.equal("greeting 220, ehlo 250, rcpt 550", stages(session))
      local text = session:evidence().transcript
      assert.truthy(text:find("EHLO probe.example", 1, true))
      assert.truthy(text:find("RCPT TO:<" .. OTHER .. ">\nS: 550", 1, true))
      assert.falsy(text:find(USER, 1, true))
    end)

    it("is of the latest one too where several were queued at once", function()
      host()
      local session = open { transcript = true }
      local first, second = session:rcpt(USER), session:rcpt(OTHER)
      assert.equal(550, loop:await(second).code)
      assert.equal(250, loop:await(first).code)
      assert.equal("greeting 220, ehlo 250, rcpt 550", stages(session))
      assert.falsy(session:evidence().transcript:find(USER, 1, true))
    end)

    it("does not grow with the questions", function()
      host()
      local session, size = open { transcript = true }, nil
      for i = 1, 60 do
        loop:await(session:rcpt(USER))
        local e = session:evidence()
        if i > 1 and i ~= 51 then      -- at RCPT_TRANSACTION_MAX a transaction of its own begins
          size = size or #e.transcript
          assert.equal(size, #e.transcript)
          assert.equal(3, #e.replies)
        end
      end
    end)

    it("of a question whose waiter left stays until somebody asks", function()
      host { rcpt = { [USER] = { { wait = 0.15 }, "250 2.1.5 ok" }, [OTHER] = "550 5.1.1 no" } }
      local session = open { transcript = true }
      local _, _, code = loop:await(session:rcpt(USER, 0.05))
      assert.equal("timeout", code)
      assert.truthy(session:evidence().transcript:find(USER, 1, true))
      assert.equal(550, loop:await(session:rcpt(OTHER)).code)
      assert.falsy(session:evidence().transcript:find(USER, 1, true))
      assert.falsy(stages(session):find "rcpt 250")
    end)

    it("of a question whose waiter left never becomes that of one who waits behind", function()
      host { rcpt = { [USER] = { { wait = 0.15 }, "250 2.1.5 ok", { close = true } } } }
      local session = open { transcript = true }
      loop:await(session:rcpt(USER, 0.05))
      local reply, _, code = loop:await(session:rcpt(OTHER))
      assert.is_false(reply)
      assert.equal("eof", code)
      assert.falsy(session:evidence().transcript:find(USER, 1, true))
      assert.equal("greeting 220, ehlo 250", stages(session))
    end)

    it("keeps the refused MAIL of the latest question alone", function()
      host { mail = { sequence = { "250 ok", "451 4.3.0 not now" } } }
      local session = open { sender = "" }
      loop:await(session:rcpt(USER))
      local reply = loop:await(session:rcpt(OTHER))
      assert.equal("mail", reply.stage)
      assert.equal(451, reply.code)
      assert.equal("greeting 220, ehlo 250, rset 250, mail 451", stages(session))
    end)
  end)

  describe("vrfy", function()
    local OFFERED = "250-mx\n250-VRFY\n250 PIPELINING"

    it("asks where it is offered", function()
      host { ehlo = OFFERED, vrfy = { [USER] = "250 2.1.5 User <user@a.example>", ["*"] = "550 5.1.1 no" } }
      local session = open()
      local reply = loop:await(session:vrfy(USER))
      assert.equal("vrfy", reply.stage)
      assert.equal(250, reply.code)
      assert.equal(550, loop:await(session:vrfy(OTHER)).code)
      assert.equal("greeting 220, ehlo 250, vrfy 550", stages(session))
      assert.equal(250, loop:await(session:rcpt(USER)).code)
    end)

    it("asks nothing where it is not, and stays ready", function()
      host()
      local session = open()
      local reply, _, code = loop:await(session:vrfy(USER))
      assert.is_false(reply)
      assert.equal("not_offered", code)
      assert.equal("not_offered", session:evidence().err)
      assert.is_true(session:ready())
      assert.equal(250, loop:await(session:rcpt(USER)).code)
      assert.is_nil(session:evidence().err)
      assert.equal(0, world:count("line", "^VRFY"))
    end)

    it("takes no address that could end the line", function()
      host { ehlo = OFFERED }
      local session = open()
      for _, bad in ipairs { "", "a\r\nDATA", "a\0b" } do
        local job, _, code = session:vrfy(bad)
        assert.is_nil(job)
        assert.equal("badarg", code)
      end
      assert.is_false((pcall(session.vrfy, session)))
    end)
  end)
end)
