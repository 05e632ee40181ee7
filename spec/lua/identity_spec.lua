local hub = require "rcpt.hub"
local options = require "rcpt.options"
local rcpt = require "rcpt"
local World = require "spec.support.world"

local OK = "250 2.1.5 ok"
local SECRET = "s3cr3t-Pa55"

local function refusal(given)
  local ok, message = pcall(options.check, given, nil, 1)
  assert.is_false(ok)
  assert.falsy(message:find(SECRET, 1, true))
  return message
end

local ME = { helo = "probe.example.net", sender = "user@probe.example.net" }
local function with(extra)
  local given = {}
  for name, value in pairs(ME) do given[name] = value end
  for name, value in pairs(extra) do given[name] = value end
  return given
end

describe("option proxy", function()
  it("takes an IP address, a port and both of user and password", function()
    local out = options.check(with { proxy = { host = "192.0.2.9" } }).proxy
    assert.same({ "192.0.2.9", 1080, "192.0.2.9:1080" }, { out.ip, out.port, out.shown })
    out = options.check(with { proxy = { host = "2001:db8::9", port = 9050, user = "u", password = SECRET } }).proxy
    assert.same({ "2001:db8::9", 9050, "[2001:db8::9]:9050", "u" }, { out.ip, out.port, out.shown, out.user })
  end)

  it("refuses what is none, and never tells the password", function()
    for _, case in ipairs {
      { { host = "proxy.example" }, "needs 'host', an IP address" }, { {}, "needs 'host'" },
      { { host = "192.0.2.9", port = 0 }, "'port' from 1 to 65535" },
      { { host = "192.0.2.9", port = "1080" }, "'port' from 1 to 65535" },
      { { host = "192.0.2.9", user = "u" }, "'user' and 'password' together" },
      { { host = "192.0.2.9", password = SECRET }, "'user' and 'password' together" },
      { { host = "192.0.2.9", user = ("u"):rep(256), password = SECRET }, "1 to 255 bytes" },
      { { host = "192.0.2.9", user = "u", password = {} }, "1 to 255 bytes" },
      { { host = "192.0.2.9", user = "", password = SECRET }, "1 to 255 bytes" },
      { { host = "192.0.2.9", pasword = SECRET }, "has no field 'pasword'; did you mean 'password'?" },
    } do
      assert.truthy(refusal(with { proxy = case[1] }):find("option 'proxy' " .. case[2], 1, true)
        or refusal(with { proxy = case[1] }):find(case[2], 1, true), refusal(with { proxy = case[1] }))
    end
    assert.truthy(refusal(with { proxy = "192.0.2.9:1080" }):find("option 'proxy' must be a table", 1, true))
  end)
end)

describe("option identities", function()
  it("refuses entries that are none, and says which", function()
    for _, case in ipairs {
      { {}, "a list of 1 to 1000 identities" }, { { "probe.example" }, "entry 1: must be a table" },
      { { { helo = "a.example" }, { hello = "b.example" } }, "entry 2: has no field 'hello'; did you mean 'helo'?" },
      { { { helo = "localhost" } }, "entry 1: 'helo' must be a fully qualified name" },
      { { { helo = 1 } }, "entry 1: 'helo' is of the wrong type (number)" },
      { { { source = { 1 } } }, "entry 1: 'source' is of the wrong type" },
      { { { source = "host.example" } }, "entry 1: 'source' must be an IP address" },
      { { { name = "a b" } }, "entry 1: 'name' must be made of" },
      { { { name = "a" }, { name = "a" } }, "entry 2: the name 'a' is taken" },
      { { { domains = {} } }, "entry 1: 'domains' must not be an empty list" },
      { { { domains = { "a b" } } }, "entry 1: 'domains' must be a list of domains" },
      { { { providers = "google.com" } }, "entry 1: 'providers' is of the wrong type (string)" },
      { { { proxy = { host = "x", user = "u", password = SECRET } } }, "entry 1: 'proxy' needs 'host'" },
    } do
      local message = refusal(with { identities = case[1] })
      assert.truthy(message:find("option 'identities' ", 1, true), message)
      assert.truthy(message:find(case[2], 1, true), message)
    end
  end)

  it("wants helo and sender of each at level rcpt, its own or the options'", function()
    assert.truthy(refusal { sender = "<>", identities = { { helo = "a.example" }, { name = "b" } } }
      :find("'b' has no helo, nor have the options", 1, true))
    assert.truthy(options.check { sender = "<>", identities = { { helo = "a.example" } } })
    assert.truthy(refusal { sender = "<>", identities = { { helo = "a.example", domains = { "x.example" } } } }
      :find("option 'helo' is missing", 1, true))
    assert.truthy(options.check { level = "dns", identities = { { name = "b" } } })
  end)

  it("is needed by a hook", function()
    assert.truthy(refusal(with { identity = function() end }):find("needs option 'identities'", 1, true))
    assert.truthy(refusal(with { identity = "a" }):find("option 'identity' must be a function", 1, true))
  end)
end)

describe("the identity that asks", function()
  local world
  local HOSTS = {
    { ip = "127.0.6.1", name = "mx.one.example", rcpt = OK },
    { ip = "127.0.6.2", name = "mx.two.example", rcpt = OK, tls = true },
    { ip = "127.0.6.3", name = "mx1.big.provider.example", rcpt = OK },
    { ip = "127.0.6.4", name = "mx.dead.example", refuse = true },
  }
  setup(function()
    world = World.start {
      zones = {
        ["one.example"] = { MX = { { 10, "mx.one.example" } } }, ["mx.one.example"] = { A = "127.0.6.1" },
        ["sub.one.example"] = { MX = { { 10, "mx.one.example" } } },
        ["notone.example"] = { MX = { { 10, "mx.two.example" } } },
        ["two.example"] = { MX = { { 10, "mx.two.example" } } }, ["mx.two.example"] = { A = "127.0.6.2" },
        ["customer.example"] = { MX = { { 10, "mx1.big.provider.example" } } },
        ["mx1.big.provider.example"] = { A = "127.0.6.3" },
        ["dead.example"] = { MX = { { 10, "mx.dead.example" } } }, ["mx.dead.example"] = { A = "127.0.6.4" },
      },
      hosts = HOSTS,
      proxies = { {}, { user = "u", password = SECRET }, { fail = "ruleset" }, { refuse = true }, { fail = "silent" } },
    }
  end)
  teardown(function() world:stop() end)
  before_each(function() hub.get().pool = nil end)
  after_each(function()
    assert.truthy(world:wait(function() return world:open_now() == 0 end))
    assert.equal(0, hub.get().pool and hub.get().pool.all.n or 0)
  end)

  local function name_for(one, address)
    local verdict = assert(one:validate(address))
    assert.equal("accepted", verdict.reason, verdict.diagnosis)
    return verdict.identity.name
  end

  it("is helo, sender and source of the options where there is no other", function()
    local identity = rcpt.new(world:options { source = "127.0.0.7" }):validate("u@one.example").identity
    assert.same({ helo = "probe.example", sender = "user@probe.example", source = "127.0.0.7" }, identity)
  end)

  it("follows the recipient's domain, then the mail host, then what has no rule", function()
    local one = rcpt.new(world:options { identities = {
      { name = "rest" },
      { name = "provider", providers = { "provider.example", "two.example" } },
      { name = "domain", domains = { ".One.Example." } },
    } })
    for address, name in pairs { ["u@one.example"] = "domain", ["u@sub.one.example"] = "domain",
      ["u@customer.example"] = "provider", ["u@two.example"] = "provider", ["u@notone.example"] = "provider" } do
      assert.equal(name, name_for(one, address), address)
    end
    assert.equal("rest", rcpt.new(world:options { identities = {
      { name = "rest" }, { name = "other", domains = { "ne.example" }, providers = { "x.two.example" } },
    } }):validate("u@two.example").identity.name)
  end)

  it("is the options' own where no rule fits", function()
    local identity = rcpt.new(world:options { identities = { { name = "a", domains = { "x.example" } } } })
      :validate("u@one.example").identity
    assert.is_nil(identity.name)
    assert.equal("probe.example", identity.helo)
  end)

  it("takes turns among equals; a better match comes first in the list", function()
    local one = rcpt.new(world:options { identities = {
      { name = "a" }, { name = "b" }, { name = "c", helo = "c.example" },
      { name = "d", domains = { "one.example" } }, { name = "e", domains = { "sub.one.example" } },
      { name = "f", domains = { "one.example" } },
    } })
    local seen = {}
    for i = 1, 6 do seen[i] = name_for(one, "u@two.example") end
    assert.equal("a b c a b c", table.concat(seen, " "))
    seen = {}
    for i = 1, 4 do seen[i] = name_for(one, "u@sub.one.example") end
    assert.equal("d f d f", table.concat(seen, " "))
    assert.equal("a", one:validate("u@two.example", { deadline = 30 }).identity.name)
    assert.equal("b", one:validate("u@two.example", { deadline = 30 }).identity.name)
  end)

  it("says its own helo, sender and source", function()
    local one = rcpt.new(world:options { transcript = true, identities = {
      { name = "a", helo = "a.example", sender = "<>", source = { "127.0.0.8" } },
    } })
    local verdict = one:validate("u@one.example")
    assert.same({ name = "a", helo = "a.example", sender = "<>", source = "127.0.0.8" }, verdict.identity)
    assert.truthy(verdict.transcript:find("C: EHLO a.example\n", 1, true))
    assert.truthy(verdict.transcript:find("C: MAIL FROM:<>", 1, true))
  end)

  it("shares no session with another", function()
    local one = rcpt.new(world:options { linger = 60, identities = { { name = "a" }, { name = "b", sender = "<>" } } })
    local before = world:connections("mx.one.example")
    for _ = 1, 6 do name_for(one, "u@one.example") end
    assert.equal(2, world:connections("mx.one.example") - before)
    one:close()
  end)

  describe("chosen by a hook", function()
    local function hooked(hook, extra)
      local given = world:options { identities = { { name = "a" }, { name = "b", domains = { "one.example" } } },
        identity = hook }
      for name, value in pairs(extra or {}) do given[name] = value end
      return rcpt.new(given)
    end

    it("is the one it names; it is told address, domain and mail hosts", function()
      local told
      local one = hooked(function(info) told = info return "a" end)
      assert.equal("a", name_for(one, "U@One.example"))
      assert.same({ address = "U@One.example", domain = "one.example",
        mx = { { host = "mx.one.example", preference = 10 } } }, told)
    end)

    it("is left to the rules by nil", function()
      assert.equal("b", name_for(hooked(function() end), "u@one.example"))
      assert.equal("a", name_for(hooked(function() end), "u@two.example"))
    end)

    it("may wait", function()
      rcpt.run(function()
        local one = hub.get()
        local slow = hooked(function()
          one:await({}, require "rcpt.drivers".choose(), nil, one.engine:sleep(0.01))
          return "a"
        end)
        assert.equal("a", name_for(slow, "u@one.example"))
        local call = hooked(function()
          one:await({}, require "rcpt.drivers".choose(), nil, one.engine:sleep(0.05))
          return "a"
        end):start("u@one.example")
        one:await({}, require "rcpt.drivers".choose(), nil, one.engine:sleep(0.01))
        call:cancel()
        assert.equal("cancelled", select(3, call:wait()))
      end)
    end)

    it("costs its own probe where it raises or makes no sense", function()
      for _, case in ipairs {
        { function() error("no idea\nat all") end, "no idea$" },
        { function() error({}) end, "^table: " },
        { function() return "c" end, "^no identity is named 'c'$" },
        { function() return 7 end, "^a name is wanted, not a number$" },
      } do
        local before = world:connections()
        local verdict = hooked(case[1]):validate("u@one.example")
        assert.equal("unknown hook_failed identity", ("%s %s %s"):format(verdict.status, verdict.reason, verdict.hook))
        assert.truthy(verdict.diagnosis:find(case[2]), verdict.diagnosis)
        assert.equal(before, world:connections())
      end
    end)

    it("is not asked where nobody is connected to", function()
      local one = hooked(function() error("asked") end)
      assert.equal("not_asked", one:validate("u@one.example", { level = "dns" }).reason)
      assert.equal("syntax", one:validate("u@").reason)
    end)
  end)

  describe("through a proxy", function()
    local function proxy(i, extra)
      local host, port = world.proxies[i]:match("^(.*):(%d+)$")
      local given = { host = host, port = tonumber(port) }
      for name, value in pairs(extra or {}) do given[name] = value end
      return given
    end

    -- No secret anywhere in what a user gets.
    local function harmless(value)
      if type(value) == "string" then assert.falsy(value:find(SECRET, 1, true), value) end
      if type(value) == "table" then
        for name, inner in pairs(value) do
          harmless(name)
          harmless(inner)
        end
      end
      return value
    end

    it("says so, and the proxy is given addresses, never names", function()
      local verdict = rcpt.new(world:options { proxy = proxy(1), transcript = true }):validate("u@one.example")
      assert.equal("deliverable", verdict.status)
      assert.equal(world.proxies[1], verdict.identity.proxy)
      assert.equal("127.0.6.1", verdict.ip)
      for _, event in ipairs(world:journal()) do assert.not_equal("name", event.kind == "proxy" and event.type) end
    end)

    it("gives user and password to the proxy, and to nobody else", function()
      local given = world:options { proxy = proxy(2, { user = "u", password = SECRET }), transcript = true }
      local verdict = harmless(rcpt.new(given):validate("u@one.example"))
      assert.equal("deliverable", verdict.status)
      verdict = harmless(rcpt.new(given):validate("u@dead.example"))
      assert.equal("unknown", verdict.status)
      given.proxy.password = SECRET .. "x"
      verdict = harmless(rcpt.new(given):validate("u@one.example"))
      assert.equal("unknown connect_failed proxy",
        ("%s %s %s"):format(verdict.status, verdict.reason, verdict.diagnosis))
    end)

    it("secures the session to the host itself", function()
      local given = world:options { proxy = proxy(1), tls_ca_file = world.ca_file }
      local verdict = rcpt.new(given):validate("u@two.example")
      assert.equal("deliverable", verdict.status)
      assert.is_true(verdict.tls.verified)
    end)

    it("is told from the host where it refuses", function()
      for _, i in ipairs { 3, 4 } do
        local verdict = rcpt.new(world:options { proxy = proxy(i) }):validate("u@one.example")
        assert.equal("unknown connect_failed", verdict.status .. " " .. verdict.reason)
        assert.equal("proxy", verdict.diagnosis)
      end
      local verdict = rcpt.new(world:options { proxy = proxy(5), connect_timeout = 0.2 }):validate("u@one.example")
      assert.equal("unknown", verdict.status)
    end)

    it("can be one identity's, and not another's", function()
      local one = rcpt.new(world:options { proxy = proxy(1), identities = {
        { name = "direct", proxy = false }, { name = "through" },
      } })
      assert.is_nil(one:validate("u@one.example").identity.proxy)
      assert.equal(world.proxies[1], one:validate("u@one.example").identity.proxy)
    end)

    it("shares no session with who gives another password", function()
      local before = world:connections("mx.one.example")
      local all = {}
      for i = 1, 2 do
        all[i] = rcpt.new(world:options { linger = 60, proxy = proxy(1, { user = "u", password = SECRET .. i }) })
        assert.equal("accepted", all[i]:validate("u@one.example").reason)
      end
      assert.equal(2, world:connections("mx.one.example") - before)
      for i = 1, 2 do all[i]:close() end
    end)
  end)
end)
