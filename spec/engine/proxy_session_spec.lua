-- Sessions through a SOCKS5 proxy.
-- SPDX-License-Identifier: MIT
local Loop = require "spec.support.loop"
local World = require "spec.support.world"
local core = require "rcpt.core"

local USER = "user@a.example"
local GOOD, REFUSING, TLS, OUTSIDE = "127.0.1.1", "127.0.1.2", "127.0.1.3", "192.0.2.1"

local PROXIES = {
  "plain", "secret", "auth", "ruleset", "network", "expired", "general", "address", "silent", "hung", "garbage",
  "close", "reset", "torn", "together", "named", "closed", "late", "gone",
}

describe("engine/session through a proxy", function()
  local world, loop
  local port = {}

  setup(function()
    world = World.start {
      hosts = {
        { ip = GOOD, name = "mx.a.example", rcpt = { [USER] = "250 2.1.5 ok" } }, { ip = "::1" },
        { ip = REFUSING, refuse = true },
        { ip = TLS, name = "tls.a.example", tls = true, rcpt = { [USER] = "250 2.1.5 ok" } },
      },
      proxies = {
        {}, { user = "me", password = "secret" }, { user = "me", password = "secret", fail = "auth" },
        { fail = "ruleset" }, { fail = "network" }, { fail = "expired" }, { fail = "general" },
        { fail = "address" }, { fail = "silent", at = "greeting" }, { fail = "silent", at = "request" },
        { fail = "garbage", at = "greeting" },
        { fail = "close", at = "greeting" }, { fail = "reset", at = "request" }, { torn = true }, { together = true },
        { bound = "name" }, { refuse = true }, { fail = "close", at = "request" }, { fail = "close", at = "auth",
          user = "me" },
      },
    }
    for i, name in ipairs(PROXIES) do
      port[name] = tonumber(world.proxies[i]:match ":(%d+)$")
    end
  end)

  teardown(function() world:stop() end)
  before_each(function() loop = Loop.new() end)
  after_each(function() loop:close() end)

  local function options(name, extra)
    local o = { to = { GOOD }, port = world.port, helo = "probe.example", sender = "user@probe.example",
      connect = 5, greeting = 5, reply = 5, proxy = { ip = "127.0.0.1", port = port[name] } }
    for k, v in pairs(extra or {}) do
      o[k] = v
    end
    return o
  end

  local function open(name, extra)
    local started = core.now()
    local session = assert(loop:await(loop.engine:open(options(name, extra))))
    return session, session:evidence(), core.now() - started
  end

  -- How often a proxy was told where to connect to, or was just connected to.
  local function uses(name)
    local n = 0
    for _, event in ipairs(world:journal()) do
      if event.kind == "proxy" and PROXIES[tonumber(event.proxy)] == name then
        n = n + 1
      end
    end
    return n
  end

  for _, name in ipairs { "plain", "torn", "together", "named" } do
    it("is asked as if there were none (" .. name .. ")", function()
      local fds = Loop.descriptors()
      local session, e = open(name, { transcript = true })
      assert.is_true(session:ready())
      assert.is_true(e.proxied)
      assert.equal(GOOD, e.ip)
      assert.equal(world.port, e.port)
      assert.equal("greeting", e.replies[1].stage)
      assert.truthy(e.transcript:find "^S: 220 ")
      assert.equal(250, loop:await(session:rcpt(USER)).code)
      session:quit()
      assert.equal(fds, Loop.descriptors())
    end)
  end

  it("says nothing of a proxy where there is none", function()
    local o = options "plain"
    o.proxy = nil
    assert.is_nil(loop:await(loop.engine:open(o)):evidence().proxied)
  end)

  it("gives the proxy an address, never a name", function()
    open("plain", { name = "mx.a.example" })
    for _, event in ipairs(world:journal()) do
      assert.not_equal("name", event.kind == "proxy" and event.type)
    end
  end)

  it("is secured through it", function()
    local session, e = open("plain", { to = { TLS }, tls = "require", name = "tls.a.example",
      ca_file = world.ca_file })
    assert.is_true(e.tls.verified)
    assert.equal(250, loop:await(session:rcpt(USER)).code)
  end)

  it("takes a user and a password", function()
    local proxy = { ip = "127.0.0.1", port = port.secret, user = "me", password = "secret" }
    local session = open("secret", { proxy = proxy })
    assert.is_true(session:ready())
  end)

  it("is bound to a source on the way to the proxy", function()
    local session, e = open("plain", { source4 = "127.0.0.9" })
    assert.is_true(session:ready())
    assert.equal("127.0.0.9", e.source)
  end)

  it("takes the next address where the proxy cannot reach one", function()
    local session, e = open("plain", { to = { REFUSING, GOOD } })
    assert.is_true(session:ready())
    assert.equal(GOOD, e.ip)
  end)

  it("takes the next address where the proxy may not connect to one", function()
    local session, e = open("plain", { to = { OUTSIDE, GOOD } })
    assert.is_true(session:ready())
    assert.equal(GOOD, e.ip)
  end)

  it("reaches an IPv6 address over a proxy on IPv4", function()
    local session, e = open("plain", { to = { "::1" } })
    assert.is_true(session:ready())
    assert.equal("::1", e.ip)
  end)

  -- proxy -> err, a word of why (nil: none), how often it is used for two addresses
  for name, case in pairs {
    ruleset = { "proxy", "." }, general = { "proxy", "." }, address = { "proxy", "." },
    network = { "unreachable" }, expired = { "timeout" },
  } do
    it("tells of an address what the proxy says of it: " .. name, function()
      local before = uses(name)
      local session, e = open(name, { to = { GOOD, "127.0.1.9" } })
      assert.is_false(session:ready())
      assert.equal(case[1], e.err)
      assert.equal("connect", e.stage)
      assert.is_true(e.proxied)
      assert.equal(case[2] ~= nil, e.proxy_why ~= nil)
      assert.equal(GOOD, e.ip)
      assert.equal(before + 2, uses(name))
    end)
  end

  it("tells of a refusal through the proxy", function()
    local _, e = open("plain", { to = { REFUSING } })
    assert.equal("refused", e.err)
    assert.is_nil(e.proxy_why)
  end)

  it("tells of an address that does not answer the proxy in time", function()
    local _, e, took = open("hung", { connect = 0.2 })
    assert.equal("timeout", e.err)
    assert.is_true(took < 2)
  end)

  -- What ails the proxy itself is not tried again for the second address.
  for name, extra in pairs {
    closed = {}, garbage = {}, close = {}, silent = { connect = 0.2 },
    auth = { proxy = { user = "me", password = "no" } },
    secret = {}, gone = { proxy = { user = "me", password = "x" } },
  } do
    it("blames the proxy, not the host, and stops: " .. name, function()
      local before, fds = uses(name), Loop.descriptors()
      local o = options(name)
      o.to, o.second, o.connect = { GOOD, "127.0.1.9" }, 4, extra.connect or 5
      if extra.proxy then
        o.proxy.user, o.proxy.password = extra.proxy.user, extra.proxy.password
      end
      local started = core.now()
      local session = loop:await(loop.engine:open(o))
      local e = session:evidence()
      assert.is_false(session:ready())
      assert.equal("proxy", e.err)
      assert.is_string(e.proxy_why)
      assert.is_true(core.now() - started < 3)
      assert.is_true(uses(name) - before <= 1)
      assert.equal(fds, Loop.descriptors())
    end)
  end

  for _, name in ipairs { "reset", "late" } do
    it("blames the proxy that is lost when it should connect: " .. name, function()
      local _, e = open(name)
      assert.equal("proxy", e.err)
      assert.is_string(e.proxy_why)
    end)
  end

  it("is given up with nothing left", function()
    local fds = Loop.descriptors()
    local before = uses "hung"
    local job = loop.engine:open(options "hung")
    world:wait(function() return uses "hung" > before end, 2, function() loop:turn(0.01) end)
    job:cancel()
    local _, _, code = loop:await(job)
    assert.equal("cancelled", code)
    assert.equal(fds, Loop.descriptors())
  end)

  describe("what cannot be said to a proxy", function()
    for _, words in ipairs { { user = "" , password = "x" }, { user = "x" }, { user = ("x"):rep(256), password = "x" },
      { user = "x", password = ("x"):rep(256) } } do
      it("is refused: " .. #words.user .. " and " .. #(words.password or ""), function()
        words.ip, words.port = "127.0.0.1", port.plain
        local job, _, code = loop.engine:open(options("plain", { proxy = words }))
        assert.is_nil(job)
        assert.equal("badarg", code)
      end)
    end

    it("at the very most, is not", function()
      local words = { ip = "127.0.0.1", port = port.plain, user = ("x"):rep(255), password = ("y"):rep(255) }
      assert.is_true(open("plain", { proxy = words }):ready())
    end)
  end)
end)
