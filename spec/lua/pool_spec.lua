local core = require "rcpt.core"
local hub = require "rcpt.hub"
local rcpt = require "rcpt"
local Loop = require "spec.support.loop"
local World = require "spec.support.world"

local OK = "250 2.1.5 ok"

local function host(n, name, script)
  script.ip, script.name = "127.0.4." .. n, name
  return script
end

local HOSTS = {
  host(1, "mx.many.example", { rcpt = { ["*"] = OK, ["no@many.example"] = "550 5.1.1 User unknown" } }),
  host(2, "mx.slow.example", { rcpt = OK, delay = 0.02 }),
  host(3, "mx.one.example", { rcpt = OK, max_rcpt = 1 }),
  host(4, "mx.three.example", { rcpt = OK, max_rcpt = 3 }),
  host(5, "mx.mails.example", { rcpt = OK, max_mail = 2 }),
  host(6, "mx.strict.example", { rcpt = "550 5.1.1 User unknown", close_after_refusal = true }),
  host(7, "mx.norset.example", { rcpt = OK, rset = "502 5.5.1 no" }),
  host(8, "mx.shy.example", { rcpt = OK, max_connections = 2, delay = 0.01 }),
  host(9, "mx.idle.example", { rcpt = OK, idle = 0.1 }),
  host(10, "mx.mute.example", { rcpt = { silence = true } }),
  host(11, "mx.busy.example", { greeting = "421 4.3.2 too busy" }),
  host(12, "mx.silent.example", { greeting = { silence = true } }),
  host(13, "mx.full.example", { rcpt = "452 4.2.2 mailbox full" }),
  host(14, "mx.null.example", { rcpt = OK, one_rcpt_null_sender = true }),
  host(15, "mx.refusals.example", { rcpt = "550 5.1.1 User unknown", max_refusals = 3 }),
  host(16, "mx.dead.example", { refuse = true }),
  host(18, "mx.hangs.example", { rcpt = { ["stuck@hangs.example"] = { silence = true }, ["*"] = OK } }),
  host(17, "mx.late.example", { rcpt = OK, greeting = { { wait = 0.2 }, "220 mx.late.example" } }),
  host(19, "mx.steady.example", { rcpt = OK, delay = 0.1 }),
}

local ZONES = { ["twin.example"] = { MX = { { 10, "mx.many.example" } } } }
for _, one in ipairs(HOSTS) do
  ZONES[one.name] = { A = one.ip }
  ZONES[one.name:sub(4)] = { MX = { { 10, one.name } } }
end
for i = 1, 5 do ZONES[("d%d.example"):format(i)] = { MX = { { 10, "mx.slow.example" } } } end

describe("the pool", function()
  local world
  setup(function() world = World.start { zones = ZONES, hosts = HOSTS } end)
  teardown(function() world:stop() end)

  local function new(extra) return rcpt.new(world:options(extra)) end
  local function made(name) return world:connections("mx." .. name .. ".example") end
  local function open_now() return world:wait(function() return world:open_now() == 0 end, 5) ~= nil end

  local function numbers(n, domain)
    local list = {}
    for i = 1, n do list[i] = ("u%d@%s.example"):format(i, domain) end
    return list
  end

  -- Ask about a list; each verdict has to be this one. How many connections that took.
  local function ask_all(list, expected, options, domain)
    local before, n = made(domain), 0
    for verdict in new(options):each(list) do
      assert.equal(expected, verdict.status .. " " .. verdict.reason, verdict.address)
      n = n + 1
    end
    assert.equal(#list, n)
    assert.is_true(open_now())
    return made(domain) - before
  end

  before_each(function()
    hub.get().pool = nil            -- nothing learnt, no sessions: each case begins with a pool of its own
  end)
  after_each(function()
    assert.is_true(open_now())
  end)

  it("asks a single address on exactly one connection, and leaves with QUIT (S12)", function()
    local before = #world:lines("mx.many.example")
    local connections = made("many")
    assert.equal("deliverable", new():validate("u@many.example").status)
    assert.equal(1, made("many") - connections)
    assert.is_true(open_now())
    local lines = world:lines("mx.many.example")
    assert.equal("QUIT", lines[#lines])
    assert.equal(4, #lines - before)
  end)

  it("asks 500 addresses of a domain on at most five", function()
    assert.equal(5, ask_all(numbers(500, "many"), "deliverable accepted", {}, "many")) -- 100 recipients on each
  end)

  it("asks a few on the connection there is, where that is quick, and opens another where it hangs", function()
    local before = made("many")
    rcpt.run(function()
      local one = new { linger = 60 }
      one:validate("first@many.example")
      for i = 1, 8 do rcpt.spawn(function() one:validate(("u%d@many.example"):format(i)) end) end
    end)
    assert.equal(1, made("many") - before)
    hub.get().pool:dismiss(hub.get().pool.oldest.owner)
    rcpt.run(function()
      local one = new { deadline = 10, linger = 60 }
      assert.equal("accepted", one:validate("first@hangs.example").reason)
      local stuck = one:start("stuck@hangs.example")
      world:wait(function() return world:count("line", "^RCPT TO:<stuck") > 0 end, 5, function()
        local nap = hub.get()
        nap:await({}, require "rcpt.drivers".choose(), nil, nap.engine:sleep(0.005))
      end)
      local verdict = one:validate("other@hangs.example")
      assert.equal("accepted", verdict.reason)
      assert.is_true(verdict.elapsed > 0.9 and verdict.elapsed < 3)
      assert.equal(2, made("hangs"))
      stuck:cancel()
      stuck:wait()
      one:close()
    end)
  end)

  it("uses one connection for all where it may have but one", function()
    local before, n = made("many"), 0
    for verdict in new { connections_per_host = 1, session_recipients = 1000 }:each(numbers(200, "many")) do
      assert.equal("accepted", verdict.reason)
      n = n + 1
    end
    assert.equal(200, n)
    assert.equal(1, made("many") - before)
  end)

  it("shares connections between domains with the same mail host, never in one transaction", function()
    local list = {}
    for i = 1, 40 do list[i] = ("u%d@%s.example"):format(i, i % 2 == 0 and "many" or "twin") end
    local from = #world:journal()
    assert.equal(2, ask_all(list, "deliverable accepted", { connections_per_host = 2 }, "many"))
    local domain = {}
    local events = world:journal()
    for i = from + 1, #events do
      local event = events[i]
      if event.kind == "line" then
        local asked = event.text:match("^RCPT TO:<[^@]*@([%w.]+)>")
        if event.text:find("^MAIL") then
          domain[event.conn] = nil
        elseif asked then
          assert.equal(domain[event.conn] or asked, asked)
          domain[event.conn] = asked
        end
      end
    end
  end)

  it("keeps within connections_per_host, and no more is asked at once", function()
    ask_all(numbers(60, "slow"), "deliverable accepted", { connections_per_host = 3 }, "slow")
    assert.is_true(world:max_open("mx.slow.example") <= 3)
  end)

  it("keeps within connections, whatever the hosts", function()
    local list = {}
    for i = 1, 30 do list[i] = ("u%d@%s.example"):format(i, ({ "slow", "many", "three" })[i % 3 + 1]) end
    local most = 0
    for verdict in new { connections = 2 }:each(list) do
      assert.equal("accepted", verdict.reason)
      most = math.max(most, hub.get().pool.all.n)
    end
    assert.equal(2, most)
  end)

  it("keeps within connections_per_identity, each identity for itself", function()
    local pool
    rcpt.run(function()
      local one = new { connections_per_identity = 1 }
      local other = new { connections_per_identity = 1, helo = "two.example" }
      for i = 1, 6 do
        rcpt.spawn(function()
          local address = ("u%d@%s.example"):format(i, i % 2 == 0 and "slow" or "many")
          assert.equal("accepted", one:validate(address).reason)
        end)
        rcpt.spawn(function() assert.equal("accepted", other:validate(("u%d@slow.example"):format(i)).reason) end)
      end
      local nap = hub.get()
      for _ = 1, 100 do
        nap:await({}, require "rcpt.drivers".choose(), nil, nap.engine:sleep(0.002))
        pool = hub.get().pool
        for _, place in pairs(pool.identities) do assert.is_true(place.n <= 1) end
        assert.is_true(pool.all.n <= 2)
      end
    end)
    assert.equal(0, hub.get().pool.all.n)
  end)

  it("is fair between domains: a few addresses do not wait behind many of another domain", function()
    local order = {}
    rcpt.run(function()
      local one = new { connections_per_host = 1 }
      for i = 1, 30 do
        rcpt.spawn(function()
          one:validate(("u%d@d1.example"):format(i))
          order[#order + 1] = "d1"
        end)
      end
      for d = 2, 5 do
        rcpt.spawn(function()
          one:validate(("u@d%d.example"):format(d))
          order[#order + 1] = "d" .. d
        end)
      end
    end)
    assert.equal(34, #order)
    for place, domain in ipairs(order) do
      if domain ~= "d1" then assert.is_true(place <= 12, domain .. " came " .. place .. "th") end
    end
  end)

  it("asks no more than session_recipients on a connection", function()
    assert.equal(5, ask_all(numbers(20, "many"), "deliverable accepted",
      { session_recipients = 4, connections_per_host = 1 }, "many"))
    assert.equal(20, ask_all(numbers(20, "many"), "deliverable accepted", { session_recipients = 1 }, "many"))
  end)

  it("hears no more than session_refusals on a connection", function()
    local list = {}
    for i = 1, 12 do list[i] = "no@many.example" end
    assert.equal(4, ask_all(list, "undeliverable mailbox_unknown", { session_refusals = 3, connections_per_host = 1 },
      "many"))
  end)

  it("asks nothing on a connection that is older than session_age, or idle for longer than session_idle", function()
    for name, value in pairs { session_age = 0.01, session_idle = 0.01 } do
      local one, before = new { linger = 60, [name] = value }, made("many")
      local engine = hub.get().engine
      one:validate("u1@many.example")
      hub.get():await({}, require "rcpt.drivers".choose(), nil, engine:sleep(0.03))
      one:validate("u2@many.example")
      assert.equal(2, made("many") - before, name)
      one:close()
    end
  end)

  it("keeps connections for the next question while it may linger, and QUITs after", function()
    local one, before = new { linger = 0.1 }, made("many")
    for i = 1, 5 do one:validate(("u%d@many.example"):format(i)) end
    assert.equal(1, made("many") - before)
    assert.equal(1, world:open_now("mx.many.example"))
    hub.get():await({}, require "rcpt.drivers".choose(), nil, hub.get().engine:sleep(0.15))
    assert.is_true(open_now())
    local lines = world:lines("mx.many.example")
    assert.equal("QUIT", lines[#lines])
  end)

  it("leaves kept connections when the validator is closed, and those of others alone", function()
    local one, other = new { linger = 60 }, new { linger = 60, helo = "other.example" }
    one:validate("u@many.example")
    other:validate("u@many.example")
    one:close()
    assert.truthy(world:wait(function() return world:open_now() == 1 end))
    other:close()
    assert.is_true(open_now())
  end)

  it("shares nothing between identities, and between those who keep a transcript and those who do not", function()
    local before = made("many")
    local all = { new { linger = 60 }, new { linger = 60, helo = "other.example" },
      new { linger = 60, sender = "<>" }, new { linger = 60, transcript = true } }
    for _, one in ipairs(all) do one:validate("u@many.example") end
    assert.equal(4, made("many") - before)
    for _, one in ipairs(all) do one:close() end
  end)

  it("shares between validators of the same options", function()
    local before = made("many")
    for i = 1, 5 do
      local one = new { linger = 60 }
      one:validate(("u%d@many.example"):format(i))
    end
    assert.equal(1, made("many") - before)
    for _ = 1, 3 do new():validate("u@many.example") end
    assert.equal(1, made("many") - before)
    hub.get().pool = nil             -- whose it is does not matter to the collector
    for _ = 1, 3 do collectgarbage() end
  end)

  it("never lets a verdict hold what was said about another address", function()
    local one = new { linger = 60, transcript = true, connections_per_host = 1 }
    one:validate("first@many.example")
    local verdict = one:validate("second@many.example")
    assert.truthy(verdict.transcript:find("second@many.example", 1, true))
    assert.truthy(verdict.transcript:find("C: EHLO", 1, true))
    assert.falsy(verdict.transcript:find("first@", 1, true))
    for _, reply in ipairs(verdict.evidence[1].replies) do assert.falsy(reply.text:find("first@", 1, true)) end
    one:close()
  end)

  describe("asks again on another connection", function()
    it("where the host takes one recipient a connection, and remembers it", function()
      local before = world:count("reply", "^452 4%.5%.3")
      local n = ask_all(numbers(20, "one"), "deliverable accepted", { connections_per_host = 1 }, "one")
      assert.equal(20, n)
      assert.is_true(world:count("reply", "^452 4%.5%.3") - before <= 2)   -- the core tries a new transaction, once
    end)

    it("where it takes three", function()
      local before = world:count("reply", "^452 4%.5%.3")
      local n = ask_all(numbers(21, "three"), "deliverable accepted", { connections_per_host = 1 }, "three")
      assert.is_true(n >= 7 and n <= 8, n)
      assert.is_true(world:count("reply", "^452 4%.5%.3") - before <= 2)
    end)

    it("where it hangs up after two messages", function()
      local given = { connections_per_host = 1, sender = "<>" }
      local n = ask_all(numbers(12, "mails"), "deliverable accepted", given, "mails")
      assert.is_true(n >= 6 and n <= 8, n)
    end)

    it("where a second recipient of the null sender is refused", function()
      ask_all(numbers(10, "null"), "deliverable accepted", { connections_per_host = 1, sender = "<>" }, "null")
    end)

    it("where a refusal ends the connection", function()
      assert.equal(6, ask_all(numbers(6, "strict"), "undeliverable mailbox_unknown", { connections_per_host = 1 },
        "strict"))
    end)

    it("where it refuses RSET", function()
      ask_all(numbers(6, "norset"), "deliverable accepted", { connections_per_host = 1, sender = "<>" }, "norset")
    end)

    it("where three refusals are enough for it", function()
      local given = { connections_per_host = 1 }
      local n = ask_all(numbers(9, "refusals"), "undeliverable mailbox_unknown", given, "refusals")
      assert.is_true(n >= 3 and n <= 4, n)
    end)

    it("where the connection was idle for too long", function()
      local one, before = new { linger = 60 }, made("idle")
      assert.equal("accepted", one:validate("u1@idle.example").reason)
      world:wait(function() return world:open_now("mx.idle.example") == 0 end)
      assert.equal("accepted", one:validate("u2@idle.example").reason)
      assert.equal(2, made("idle") - before)
      one:close()
    end)

    it("but not where the answer is about the mailbox", function()
      local n = ask_all(numbers(6, "full"), "risky mailbox_full", { connections_per_host = 1 }, "full")
      assert.equal(1, n)
    end)
  end)

  it("makes do with as many connections as the host lets it have", function()
    ask_all(numbers(60, "shy"), "deliverable accepted", { connections_per_host = 10 }, "shy")
  end)

  it("tells all who wait what became of the opening", function()
    local n = ask_all(numbers(50, "busy"), "unknown temporary", { connections_per_host = 5 }, "busy")
    assert.is_true(n <= 10, n)
    for verdict in new():each(numbers(50, "dead")) do
      assert.equal("connect_failed refused", verdict.reason .. " " .. verdict.diagnosis)
    end
  end)

  it("tells each who waits for a silent host when its own time is over, and what was seen", function()
    rcpt.run(function()
      for i = 1, 4 do
        rcpt.spawn(function()
          local verdict = new { deadline = 0.1 * i, connections_per_host = 2 }:validate("u@silent.example")
          assert.equal("timeout", verdict.reason)
          assert.is_true(verdict.elapsed < 0.1 * i + 0.2)
          if i <= 2 then assert.is_true(verdict.elapsed >= 0.1 * i - 0.01) end
        end)
      end
    end)
    local verdict = new { deadline = 0.1 }:validate("u@silent.example")
    assert.equal("timeout greeting 127.0.4.12", verdict.reason .. " " .. verdict.stage .. " " .. verdict.ip)
  end)

  it("does not let one with little time end an opening others wait for", function()
    local before = made("late")
    rcpt.run(function()
      local patient = rcpt.spawn(function() return new { connections_per_host = 1 }:validate("a@late.example") end)
      rcpt.spawn(function()
        local verdict = new { connections_per_host = 1, deadline = 0.05 }:validate("b@late.example")
        assert.equal("unknown", verdict.status)
      end)
      assert.equal("accepted", patient:wait().reason)
    end)
    assert.equal(1, made("late") - before)
  end)

  it("does not count the time an address of each() waits for others at the same host", function()
    -- Each answer takes 0.1 s, all of them on one connection far more than the deadline.
    assert.equal(1, ask_all(numbers(24, "steady"), "deliverable accepted",
      { connections_per_host = 1, deadline = 1.5 }, "steady"))
  end)

  it("says local_limit where no place was free in time", function()
    rcpt.run(function()
      local call = new { connections_per_host = 1 }:start("u@mute.example")
      world:wait(function() return world:count("line", "^RCPT TO:<u@mute") > 0 end, 5, function()
        local one = hub.get()
        one:await({}, require "rcpt.drivers".choose(), nil, one.engine:sleep(0.005))
      end)
      local verdict = new { connections_per_host = 1, deadline = 0.1 }:validate("v@mute.example")
      assert.equal("unknown local_limit connections",
        verdict.status .. " " .. verdict.reason .. " " .. verdict.diagnosis)
      call:cancel()
      call:wait()
    end)
  end)

  it("asks a host for its greeting once for all who want it at the same time (level connect)", function()
    local before = made("late")
    rcpt.run(function()
      local one = new { level = "connect", connections_per_host = 1 }
      for i = 1, 10 do
        rcpt.spawn(function()
          local verdict = one:validate(("u%d@late.example"):format(i))
          assert.equal("not_asked", verdict.reason)
          assert.is_true(verdict.passed)
        end)
      end
    end)
    assert.equal(1, made("late") - before)
  end)

  describe("when questions are given up", function()
    local function pause(seconds)
      local one = hub.get()
      one:await({}, require "rcpt.drivers".choose(), nil, one.engine:sleep(seconds))
    end

    it("closes an opening nobody waits for any more", function()
      rcpt.run(function()
        local call = new():start("u@silent.example")
        world:wait(function() return world:open_now("mx.silent.example") == 1 end, 5, function() pause(0.005) end)
        call:cancel()
        local verdict, _, code = call:wait()
        assert.is_nil(verdict)
        assert.equal("cancelled", code)
      end)
      assert.is_true(open_now())
      assert.equal(0, hub.get().pool.all.n)
    end)

    it("leaves an opening to the others who wait for it", function()
      local before = made("late")
      rcpt.run(function()
        local one = new { connections_per_host = 1 }
        local first, second = one:start("a@late.example"), one:start("b@late.example")
        pause(0.05)
        first:cancel()
        assert.equal("accepted", second:wait().reason)
        assert.equal("cancelled", select(3, first:wait()))
      end)
      assert.equal(1, made("late") - before)
    end)

    it("leaves a session to the others, at whatever moment", function()
      local seed = 7
      for round = 1, 12 do
        rcpt.run(function()
          local one = new { connections_per_host = 2 }
          local calls = {}
          for i = 1, 12 do calls[i] = one:start(("u%d@slow.example"):format(i)) end
          pause(0.01 * round)
          for i = 1, 12 do
            seed = seed * 16807 % 2147483647
            if seed % 2 == 0 then calls[i]:cancel() end
          end
          for i = 1, 12 do
            local verdict, _, code = calls[i]:wait()
            if verdict then
              assert.equal("accepted", verdict.reason)
            else
              assert.equal("cancelled", code)
            end
          end
        end)
        assert.equal(0, hub.get().pool.all.n, "round " .. round)
      end
    end)

    it("forgets all of a validator that is closed", function()
      rcpt.run(function()
        local one = new { connections_per_host = 2, linger = 60 }
        local calls = {}
        for i = 1, 20 do calls[i] = one:start(("u%d@slow.example"):format(i)) end
        pause(0.2)
        one:close()
        for i = 1, 20 do
          local verdict, _, code = calls[i]:wait()
          assert.is_true(verdict ~= nil or code == "closed")
        end
        one:close()
      end)
      assert.is_true(open_now())
      assert.equal(0, hub.get().pool.all.n)
      assert.is_nil(next(hub.get().pool.groups))
    end)

    it("recovers the place of a coroutine that was dropped with its session", function()
      pcall(rcpt.run, function()
        rcpt.spawn(function() new { connections_per_host = 1 }:validate("u@mute.example") end)
        world:wait(function() return world:open_now("mx.mute.example") == 1 end, 5, function() pause(0.005) end)
        pause(0.05)
        error("drop all")
      end)
      for _ = 1, 4 do collectgarbage() end
      pause(0.01)
      assert.equal(0, hub.get().pool.all.n)
    end)
  end)

  it("leaves nothing behind after ten thousand mixed questions #slow", function()
    local kinds = { "many", "one", "three", "mails", "strict", "full", "dead", "busy", "refusals", "null" }
    local function ask(n)
      local i = 0
      local one = new { concurrency = 200, sender = "<>" }
      local answered = 0
      for verdict in one:each(function()
        i = i + 1
        return i <= n and ("u%d@%s.example"):format(i, kinds[i % #kinds + 1]) or nil
      end) do
        answered = answered + (verdict and 1 or 0)
      end
      one:close()
      return answered
    end
    local function is_empty()                -- without the journal, which would be read into this process
      for _ = 1, 500 do
        if world:open_now() == 0 then return true end
        hub.get():await({}, require "rcpt.drivers".choose(), nil, hub.get().engine:sleep(0.01))
      end
      return false
    end
    local jit = rawget(_G, "jit")
    local function settle()
      assert.is_true(is_empty())
      if jit then jit.flush() end            -- compiled traces are memory too
      for _ = 1, 3 do collectgarbage() end
    end
    ask(300)
    settle()
    local descriptors, memory = Loop.descriptors(), collectgarbage("count")
    local began = core.now()
    assert.equal(10000, ask(10000))
    settle()
    assert.equal(descriptors, Loop.descriptors())
    assert.is_true(collectgarbage("count") < memory + 300, collectgarbage("count") - memory)
    assert.is_nil(next(hub.get().pool.groups))
    assert.is_nil(next(hub.get().pool.hosts))
    assert.equal(0, hub.get().pool.all.n)
    assert.is_true(core.now() - began < 120)
  end)
end)
