-- SPDX-License-Identifier: MIT
local Loop = require "spec.support.loop"
local World = require "spec.support.world"
local core = require "rcpt.core"

-- Addresses of the world below, by how they behave.
local GOOD, REFUSING, HOLE, HOLE2, SILENT, GOOD2 =
  "127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4", "127.0.1.5", "127.0.1.6"

describe("engine/dial", function()
  local world, loop

  setup(function()
    world = World.start { hosts = {
      { ip = GOOD }, { ip = GOOD2 }, { ip = "::1" }, { ip = REFUSING, refuse = true },
      { ip = HOLE, blackhole = true }, { ip = HOLE2, blackhole = true },
      { ip = SILENT, greeting = { silence = true } },
    } }
  end)

  teardown(function() world:stop() end)
  before_each(function() loop = Loop.new() end)
  after_each(function() loop:close() end)

  local function open(to, extra)
    local o = { to = to, port = world.port, helo = "probe.example", greeting = 0.5, connect = 5, second = 2 }
    for k, v in pairs(extra or {}) do
      o[k] = v
    end
    return assert(loop.engine:open(o))
  end

  -- The evidence, whether it is ready, and how long it took.
  local function try(to, extra)
    local started = core.now()
    local session = loop:await(open(to, extra))
    return session:evidence(), session:ready(), core.now() - started
  end

  local function connections(ip)
    local n = 0
    for _, event in ipairs(world:journal()) do
      if event.kind == "connect" and event.ip == ip then
        n = n + 1
      end
    end
    return n
  end

  it("takes the first address when it connects", function()
    local other = connections(GOOD2)
    local e, ready = try { GOOD, GOOD2 }
    assert.is_true(ready)
    assert.equal(GOOD, e.ip)
    assert.equal(other, connections(GOOD2))
  end)

  it("takes the next at once when one refuses", function()
    local e, ready, took = try { REFUSING, GOOD }
    assert.is_true(ready)
    assert.equal(GOOD, e.ip)
    assert.is_true(took < 1.9)      -- `second` is 2
  end)

  it("takes the next beside one that does not answer, after `second`", function()
    local e, ready, took = try({ HOLE, GOOD }, { second = 0.2 })
    assert.is_true(ready)
    assert.equal(GOOD, e.ip)
    assert.is_true(took >= 0.19 and took < 4, "took " .. took)
  end)

  it("takes the next when patience with one ends before `second`", function()
    local e, ready, took = try({ HOLE, GOOD }, { connect = 0.2, second = 5 })
    assert.is_true(ready)
    assert.equal(GOOD, e.ip)
    assert.is_true(took >= 0.19 and took < 4, "took " .. took)
  end)

  it("makes no second connection where one was accepted, silent or not", function()
    local other = connections(GOOD)
    local e, ready = try({ SILENT, GOOD }, { second = 0.05 })
    assert.is_false(ready)
    assert.equal(SILENT, e.ip)
    assert.equal("timeout", e.err)
    assert.equal("greeting", e.stage)
    assert.equal(other, connections(GOOD))
  end)

  it("closes those that lost the race", function()
    local before = Loop.descriptors()
    local session = loop:await(open({ HOLE, HOLE2, GOOD }, { second = 0.05 }))
    assert.equal(GOOD, session:evidence().ip)
    assert.equal(before + 1, Loop.descriptors())
  end)

  it("crosses from one family to the other", function()
    local e, ready = try { REFUSING, "::1" }
    assert.is_true(ready)
    assert.equal("::1", e.ip)
    assert.equal("::1", e.source)
  end)

  describe("an IPv6 that cannot be used", function()
    -- 100::/64 leads nowhere (RFC 6666): no route, or nobody there
    for _, case in ipairs { { "first", { "100::1", GOOD } }, { "all around", { "100::1", "100::2", GOOD, "100::3" } },
      { "beside a refusal", { "100::1", REFUSING, GOOD } } } do
      it("never costs the answer: " .. case[1], function()
        local e, ready, took = try(case[2], { second = 0.2 })
        assert.is_true(ready)
        assert.equal(GOOD, e.ip)
        assert.is_true(took < 4, "took " .. took)
      end)
    end

    it("tells less than what an IPv4 did", function()
      local e = try({ "100::1", REFUSING }, { second = 0.1, connect = 0.5 })
      assert.equal("refused", e.err)
      assert.equal(REFUSING, e.ip)
    end)
  end)

  describe("when all fail", function()
    for _, case in ipairs {
      { "refused", { REFUSING }, "refused", REFUSING },
      { "silent", { HOLE }, "timeout", HOLE },
      { "silent and refused", { HOLE, REFUSING }, "refused", REFUSING },
      { "refused and silent", { REFUSING, HOLE }, "refused", REFUSING },
    } do
      it(("(%s) tells %s"):format(case[1], case[3]), function()
        local before = Loop.descriptors()
        local e, ready = try(case[2], { connect = 0.2, second = 0.05 })
        assert.is_false(ready)
        assert.equal(case[3], e.err)
        assert.equal(case[4], e.ip)
        assert.equal("connect", e.stage)
        assert.equal(world.port, e.port)
        assert.is_nil(e.source)
        assert.same({}, e.replies)
        assert.equal(before, Loop.descriptors())
      end)
    end

    it("still asks all of them within the deadline", function()
      local e, _, took = try({ HOLE, HOLE2 }, { deadline = 0.2 })
      assert.equal("timeout", e.err)
      assert.is_true(took < 4)
    end)
  end)

  describe("a source", function()
    it("is bound for its family", function()
      local e = try({ GOOD }, { source4 = "127.0.0.77" })
      assert.equal("127.0.0.77", e.source)
    end)

    it("that is not ours fails that family alone", function()
      local e, ready = try({ GOOD, "::1" }, { source4 = "192.0.2.1" })
      assert.is_true(ready)
      assert.equal("::1", e.ip)
    end)

    it("that is not ours is told of when nothing else was tried", function()
      local e = try({ GOOD, GOOD2 }, { source4 = "192.0.2.1" })
      assert.equal("source", e.err)
      assert.equal(GOOD, e.ip)
    end)

    it("counts for less than what a host of the other family did", function()
      local e = try({ GOOD, "::1" }, { source4 = "192.0.2.1", port = 1 })
      assert.equal("refused", e.err)
      assert.equal("::1", e.ip)
    end)
  end)

  it("is cancelled with every attempt under way", function()
    local before = Loop.descriptors()
    local job = open({ HOLE, HOLE2 }, { second = 0.02 })
    local late = core.now() + 5
    repeat
      loop:turn(0.05)
    until Loop.descriptors() == before + 2 or core.now() > late
    job:cancel()
    assert.equal(before, Loop.descriptors())
    local _, _, code = loop:await(job)
    assert.equal("cancelled", code)
  end)
end)
