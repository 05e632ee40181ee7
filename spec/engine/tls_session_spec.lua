-- Sessions with STARTTLS: the carrier's side. What a handshake itself accepts is spec/io/tls_spec.lua's.
-- SPDX-License-Identifier: MIT
local Loop = require "spec.support.loop"
local World = require "spec.support.world"
local core = require "rcpt.core"

local USER = "user@a.example"
local ACCEPT = { [USER] = "250 2.1.5 ok" }
local is_watched = (os.getenv "RCPT_ASAN" or os.getenv "RCPT_VALGRIND") ~= nil
local STALL = 0.3      -- patience where a host is to outlast it

-- Hosts by their name; each has an address of its own.
local TLS = {
  good = true, self = { cert = "self-signed" }, expired = { cert = "expired" }, wrong = { cert = "wrong-name" },
  big = { cert = "big" }, old = { versions = "TLSv1" },
  two = { versions = "TLSv1.2" }, three = { versions = "TLSv1.3" },
  required = { require = true }, later = { refuse = "454 4.7.0 TLS not available" },
  never = { refuse = "501 5.5.4 no" }, shut = { refuse = "421 4.3.0 too many" },
  inject = { inject = "250 2.0.0 injected\r\n" },
  garbage = { garbage = true }, alert = { alert = 40 }, close = { close = true }, reset = { reset = true },
  handshake = { stall = "handshake" }, record = { stall = "record" }, again = { renegotiate = true },
  second = { ehlo_after = "421 4.3.0 not inside" }, mute = { ehlo_after = { silence = true } },
  bare = { rcpt_after = { close = "bare" } }, polite = { rcpt_after = { close = true } },
  torn = { rcpt_after = { torn = "250-2.1.5 all\r\n250 2.1.5 right\r\n", every = 0.001 } },
  flood = { rcpt_after = { flood = true, with = "250-x\r\n" } },
  idle = { rcpt_after = { "250 2.1.5 ok", { wait = 0.05 }, { close = true } } },
}

describe("engine/session within TLS", function()
  local world, loop
  local ip = { plain = "127.0.1.1" }

  setup(function()
    local hosts = { { ip = ip.plain, name = "plain.a.example", rcpt = ACCEPT } }
    local names = {}
    for name in pairs(TLS) do
      names[#names + 1] = name
    end
    table.sort(names)
    for i, name in ipairs(names) do
      ip[name] = "127.0.2." .. i
      hosts[#hosts + 1] = { ip = ip[name], name = name .. ".a.example", tls = TLS[name], rcpt = ACCEPT }
    end
    world = World.start { hosts = hosts }
  end)

  teardown(function() world:stop() end)
  before_each(function() loop = Loop.new() end)
  after_each(function() loop:close() end)

  local function options(name, extra)
    local o = { to = { ip[name] }, port = world.port, helo = "probe.example", sender = "user@probe.example",
      connect = 5, greeting = 5, reply = 5, tls = "may", name = name .. ".a.example", ca_file = world.ca_file }
    for k, v in pairs(extra or {}) do
      o[k] = v
    end
    return o
  end

  local function open(name, extra)
    local session = assert(loop:await(loop.engine:open(options(name, extra))))
    return session, session:evidence()
  end

  -- What the latest connection of a host was told, once it is closed.
  local function told(name)
    return world:wait(function(events)
      local conn, lines, closed = nil, {}, nil
      for _, event in ipairs(events) do
        if event.ip == ip[name] and event.kind == "connect" then
          conn, lines, closed = event.conn, {}, nil
        elseif event.conn == conn and event.kind == "line" then
          lines[#lines + 1] = (event.tls and "tls " or "") .. event.text
        elseif event.conn == conn and event.kind == "close" then
          closed = event
        end
      end
      return closed and lines
    end, 5, function() loop:turn(0.01) end)
  end

  it("is secured where it is offered, and says all anew inside", function()
    local session, e = open "good"
    assert.is_true(session:ready())
    assert.is_nil(e.err)
    assert.equal("TLSv1.3", e.tls.version)
    assert.truthy(e.tls.cipher:find "^TLS_")
    assert.is_true(e.tls.verified)
    assert.is_nil(e.tls.why)
    assert.equal(250, loop:await(session:rcpt(USER)).code)
    local stages = {}
    for i, r in ipairs(session:evidence().replies) do
      stages[i] = r.stage
    end
    assert.same({ "greeting", "ehlo", "starttls", "ehlo", "mail", "rcpt" }, stages)
    session:quit()
    assert.same({ "EHLO probe.example", "STARTTLS", "tls EHLO probe.example",
      "tls MAIL FROM:<user@probe.example>", "tls RCPT TO:<user@a.example>", "tls QUIT" }, told "good")
  end)

  it("names the host asked in the handshake", function()
    local session = open("two", { name = "two.a.example" })
    session:quit()
    told "two"
    local sni
    for _, event in ipairs(world:journal()) do
      if event.kind == "tls" and event.ip == ip.two then
        sni = event.sni
      end
    end
    assert.equal("two.a.example", sni)
  end)

  it("is not secured when it is off, and says nothing of it", function()
    local session, e = open("good", { tls = "off" })
    assert.is_nil(e.tls)
    assert.equal(250, loop:await(session:rcpt(USER)).code)
    session:quit()
    assert.equal("MAIL FROM:<user@probe.example>", told("good")[2])
  end)

  it("stays in the clear where it may and is not offered", function()
    local session, e = open "plain"
    assert.is_true(session:ready())
    assert.is_nil(e.tls)
    assert.is_nil(e.err)
  end)

  it("does not go on where it is required and not offered", function()
    local session, e = open("plain", { tls = "require" })
    assert.is_false(session:ready())
    assert.equal("tls", e.err)
    assert.equal("STARTTLS is not offered", e.tls_why)
    assert.same({ "EHLO probe.example", "QUIT" }, told "plain")
  end)

  for name, code in pairs { later = 454, never = 501 } do
    it("goes on in the clear where it may and is refused with " .. code, function()
      local session, e = open(name)
      assert.is_true(session:ready())
      assert.is_nil(e.tls)
      assert.is_nil(e.err)
      assert.equal(code, e.replies[3].code)
      assert.equal("starttls", e.replies[3].stage)
      assert.equal(250, loop:await(session:rcpt(USER)).code)
    end)

    it("does not go on where it is required and refused with " .. code, function()
      local session, e = open(name, { tls = "require" })
      assert.is_false(session:ready())
      assert.equal("tls", e.err)
      assert.equal("starttls", e.stage)
      assert.equal("STARTTLS was refused", e.tls_why)
      assert.equal(code, e.replies[3].code)
    end)
  end

  it("is over where STARTTLS gets a 421", function()
    local session, e = open "shut"
    assert.is_false(session:ready())
    assert.equal(421, e.replies[3].code)
  end)

  it("asks a host that takes mail within TLS alone", function()
    local session = open("required", { tls = "require" })
    assert.equal(250, loop:await(session:rcpt(USER)).code)
  end)

  describe("takes a certificate as it is", function()
    for name, why in pairs {
      self = "self.signed", expired = "expired", wrong = "name",
    } do
      it("(" .. name .. ") and says why it is not verified", function()
        local session, e = open(name)
        assert.equal(250, loop:await(session:rcpt(USER)).code)
        assert.is_false(e.tls.verified)
        assert.truthy(e.tls.why:lower():find(why), e.tls.why)
      end)
    end

    it("of a CA nobody named", function()
      local o = options "good"
      o.ca_file = nil
      local session = loop:await(loop.engine:open(o))
      assert.is_true(session:ready())
      assert.is_false(session:evidence().tls.verified)
    end)

    it("of a name that cannot be said", function()
      local session, e = open("good", { name = "no host\1name" })
      assert.is_true(session:ready())
      assert.is_false(e.tls.verified)
    end)
  end)

  for name, version in pairs { old = "TLSv1", two = "TLSv1.2", three = "TLSv1.3" } do
    it("speaks " .. version, function()
      local session, e = open(name)
      assert.equal(version, e.tls.version)
      assert.equal(250, loop:await(session:rcpt(USER)).code)
    end)
  end

  it("throws away what came in the clear behind the 220 (CVE-2011-0411)", function()
    local session, e = open("inject", { transcript = true })
    assert.is_true(session:ready())
    assert.equal(4, #e.replies)
    assert.falsy(e.transcript:find "injected")
    assert.equal(250, loop:await(session:rcpt(USER)).code)
  end)

  -- name -> a word of why, and how long it may take
  describe("a handshake that fails", function()
    for name, case in pairs {
      garbage = { "." }, alert = { "alert" }, close = { "hung up" }, reset = { "reset" }, big = { "." },
      handshake = { "stopped" }, record = { "stopped" },
    } do
      it("(" .. name .. ") is lost as tls, in time and memory, with its reason", function()
        local fds, before, started = Loop.descriptors(), Loop.memory(), core.now()
        local stalls = name == "handshake" or name == "record"
        local session, e = open(name, { reply = stalls and STALL or 5 })
        assert.is_false(session:ready())
        assert.equal("tls", e.err)
        assert.equal("starttls", e.stage)
        assert.truthy(e.tls_why:find(case[1]), e.tls_why)
        assert.is_nil(e.tls)
        assert.equal(3, #e.replies)
        assert.is_true(core.now() - started < (stalls and 2 or 4))
        assert.is_true(is_watched or Loop.memory() - before < 12)
        assert.equal(fds, Loop.descriptors())
      end)
    end

    it("is the deadline's where that comes first", function()
      local session, e = open("handshake", { deadline = is_watched and 4 or 0.5 })
      assert.is_false(session:ready())
      assert.equal("timeout", e.err)
      assert.equal("starttls", e.stage)
    end)

    it("may be given up, and leaves nothing", function()
      local fds = Loop.descriptors()
      local job = loop.engine:open(options "handshake")
      local seen = world:count("line", "^STARTTLS$")
      assert.truthy(world:wait(function() return world:count("line", "^STARTTLS$") > seen end, 5,
        function() loop:turn(0.01) end))
      loop:turn(0.05)
      job:cancel()
      local _, _, code = loop:await(job)
      assert.equal("cancelled", code)
      assert.equal(fds, Loop.descriptors())
    end)
  end)

  it("hears a refusal of the second EHLO", function()
    local session, e = open "second"
    assert.is_false(session:ready())
    assert.is_nil(e.err)
    assert.equal(421, e.replies[4].code)
    assert.equal("TLSv1.3", e.tls.version)
  end)

  it("is patient with the second EHLO as with the first", function()
    local _, e = open("mute", { reply = STALL })
    assert.equal("timeout", e.err)
    assert.equal("ehlo", e.stage)
  end)

  for _, name in ipairs { "bare", "polite" } do
    it("is lost as eof by a " .. name .. " close", function()
      local session = open(name)
      local reply, _, code = loop:await(session:rcpt(USER))
      assert.is_false(reply)
      assert.equal("eof", code)
      assert.equal("eof", session:evidence().err)
    end)
  end

  it("hears a reply that comes an octet at a time, a record each", function()
    local session = open "torn"
    assert.equal("all\nright", loop:await(session:rcpt(USER)).text)
  end)

  it("ends a flood within TLS", function()
    local before, session = Loop.memory(), open "flood"
    local reply, _, code = loop:await(session:rcpt(USER))
    assert.is_false(reply)
    assert.equal("toolong", code)
    assert.is_true(is_watched or Loop.memory() - before < 12)
  end)

  it("notices a hang-up while it is idle", function()
    local session = open "idle"
    assert.equal(250, loop:await(session:rcpt(USER)).code)
    loop:run(function() return not session:ready() end)
    assert.equal("eof", session:evidence().err)
  end)

  it("does not renegotiate: who insists is lost, at once", function()
    local started = core.now()
    local session = open "again"
    if session:ready() then
      local reply, _, code = loop:await(session:rcpt(USER))
      assert.is_false(reply)
      assert.equal("tls", code)
    end
    local e = session:evidence()
    assert.equal("tls", e.err)
    assert.truthy(e.tls_why:find "alert", e.tls_why)
    assert.equal("TLSv1.2", e.tls.version)
    assert.is_true(core.now() - started < 4)      -- `reply` is 5
  end)

  it("refuses to begin with a CA file that has no certificate", function()
    local job, _, code = loop.engine:open(options("good", { ca_file = "/dev/null" }))
    assert.is_nil(job)
    assert.equal("badarg", code)
    job, _, code = loop.engine:open(options("good", { ca_file = "/dev/null", tls = "off" }))
    assert.truthy(job, code)      -- it is not looked at
  end)

  it("leaves without waiting for anybody's close", function()
    local session = open "good"
    local started = core.now()
    session:quit()
    assert.is_true(core.now() - started < 0.5)
    assert.equal("tls QUIT", told("good")[4])
  end)

  it("is kept for many questions", function()
    local session = open "good"
    local jobs = {}
    for i = 1, 120 do
      jobs[i] = session:rcpt(i % 2 == 0 and USER or ("nobody%d@a.example"):format(i))
    end
    for i = 1, 120 do
      assert.equal(i % 2 == 0 and 250 or 550, loop:await(jobs[i]).code)
    end
  end)

  it("lets a session in the clear go on while a hundred shake hands", function()
    local witness = open "plain"
    local jobs = {}
    for i = 1, 100 do
      jobs[i] = assert(loop.engine:open(options("good", { reply = 20, greeting = 20 })))
    end
    local asked, slowest = 0, 0
    local job, since = witness:rcpt(USER), core.now()
    loop:run(function()
      if loop.done[job] then
        asked, slowest = asked + 1, math.max(slowest, core.now() - since)
        job, since = witness:rcpt(USER), core.now()
      end
      for i = 1, 100 do
        if not loop.done[jobs[i]] then
          return false
        end
      end
      return true
    end, 30)
    for i = 1, 100 do
      local session = loop:await(jobs[i])
      assert.is_true(session:ready(), session:evidence().tls_why)
    end
    assert.is_true(asked > 5, "asked " .. asked)
    assert.is_true(slowest < 2, "slowest " .. slowest)
  end)
end)
