-- STARTTLS and VRFY as a verdict tells of them.
local hub = require "rcpt.hub"
local rcpt = require "rcpt"
local World = require "spec.support.world"

local OK = "250 2.1.5 ok"
local OFFER = "250-mx\n250-PIPELINING\n250-VRFY\n250 ENHANCEDSTATUSCODES"

local HOSTS = {
  { name = "mx.good.example", rcpt = OK, tls = true },
  { name = "mx.self.example", rcpt = OK, tls = { cert = "self-signed" } },
  { name = "mx.clear.example", rcpt = OK },
  { name = "mx.must.example", rcpt = OK, tls = { require = true } },
  { name = "mx.refuses.example", rcpt = OK, tls = { refuse = "454 4.7.0 TLS not available now" } },
  { name = "mx.garbage.example", rcpt = OK, tls = { garbage = true } },
  { name = "mx.alert.example", rcpt = OK, tls = { alert = 40 } },
  { name = "mx.closes.example", rcpt = OK, tls = { close = true } },
  { name = "mx.stalls.example", rcpt = OK, tls = { stall = "record" } },
  { name = "mx.later.example", tls = true, rcpt = "550 5.1.1 User unknown" },
  { name = "mx.vrfy.example", ehlo = OFFER, rcpt = OK, vrfy = {
    ["no@vrfy.example"] = "550 5.1.1 User unknown", ["moved@vrfy.example"] = "551 5.1.6 User has moved",
    ["maybe@vrfy.example"] = "252 2.0.0 cannot verify", ["yes@vrfy.example"] = "250 2.1.5 <yes@vrfy.example>",
    ["many@vrfy.example"] = "553 5.1.4 User ambiguous", ["off@vrfy.example"] = "502 5.5.1 VRFY is disabled",
    ["policy@vrfy.example"] = "550 5.7.1 VRFY is not allowed here", ["later@vrfy.example"] = "450 4.1.1 not now",
  } },
  { name = "mx.novrfy.example", rcpt = OK },
  { name = "mx.hates.example", ehlo = OFFER, rcpt = OK, vrfy = { close = true } },
}

describe("a question under TLS", function()
  local world
  setup(function()
    local zones = { ["half.example"] = { MX = { { 10, "mx.must.example" }, { 20, "mx.later.example" } } } }
    for i, one in ipairs(HOSTS) do
      one.ip = "127.0.5." .. i
      zones[one.name] = { A = one.ip }
      zones[one.name:sub(4)] = { MX = { { 10, one.name } } }
    end
    zones["alias.example"] = { MX = { { 10, "mx.alias.example" } } }
    zones["mx.alias.example"] = { A = "127.0.5.1" }
    world = World.start { zones = zones, hosts = HOSTS }
  end)
  teardown(function() world:stop() end)
  before_each(function() hub.get().pool = nil end)
  after_each(function()
    assert.truthy(world:wait(function() return world:open_now() == 0 end))
    assert.equal(0, world:count("unoffered"))
    assert.equal(0, hub.get().pool.all.n)
  end)

  local function ask(address, given)
    local one = rcpt.new(world:options(given))
    local verdict = assert(one:validate(address))
    one:close()
    return verdict
  end

  local function short(verdict)
    return ("%s %s %s"):format(verdict.status, verdict.reason, tostring(verdict.diagnosis))
  end

  it("tells version and cipher, and that the host's name was verified", function()
    local verdict = ask("u@good.example", { tls_ca_file = world.ca_file, transcript = true })
    assert.equal("deliverable accepted nil", short(verdict))
    assert.truthy(verdict.tls.version:find("^TLSv1%.[23]$"))
    assert.equal("string", type(verdict.tls.cipher))
    assert.is_true(verdict.tls.verified)
    assert.is_nil(verdict.tls.why)
    assert.truthy(verdict.transcript:find("C: STARTTLS\n", 1, true))
  end)

  it("goes on with a certificate nobody vouches for, and says so", function()
    for _, address in ipairs { "u@self.example", "u@good.example" } do
      local verdict = ask(address)
      assert.equal("deliverable accepted nil", short(verdict))
      assert.is_false(verdict.tls.verified)
      assert.equal("string", type(verdict.tls.why))
      assert.equal("string", type(verdict.tls.version))
    end
  end)

  it("has no tls where the host offers none, or where it is off", function()
    assert.is_nil(ask("u@clear.example").tls)
    local verdict = ask("u@good.example", { tls = "off", transcript = true })
    assert.equal("accepted", verdict.reason)
    assert.is_nil(verdict.tls)
    assert.falsy(verdict.transcript:find("C: STARTTLS", 1, true))
  end)

  it("goes on in the clear where the host refuses STARTTLS", function()
    assert.equal("deliverable accepted nil", short(ask("u@refuses.example")))
  end)

  it("asks again in the clear on a new connection where the handshake fails, and remembers that", function()
    for _, name in ipairs { "garbage", "alert", "closes" } do
      local before = world:connections("mx." .. name .. ".example")
      local verdict = ask("u@" .. name .. ".example")
      assert.equal("deliverable accepted nil", short(verdict), name)
      assert.is_nil(verdict.tls.version)
      assert.is_false(verdict.tls.verified)
      assert.equal("string", type(verdict.tls.why), name)
      assert.equal(2, world:connections("mx." .. name .. ".example") - before, name)
      assert.equal("accepted", ask("v@" .. name .. ".example").reason)
      assert.equal(3, world:connections("mx." .. name .. ".example") - before, name)
    end
  end)

  it("does so where the handshake stalls", function()
    assert.equal("deliverable accepted nil", short(ask("u@stalls.example", { reply_timeout = 0.2 })))
    hub.get().pool = nil
    local verdict = ask("u@stalls.example", { deadline = 0.2 })
    assert.equal("unknown timeout timeout", short(verdict))
  end)

  it("says tls_required, and why, where TLS has to be and is not", function()
    for name, why in pairs { clear = "tls_not_offered", refuses = "tls_failed", garbage = "tls_failed",
      closes = "tls_failed" } do
      local before = world:connections("mx." .. name .. ".example")
      assert.equal("unknown tls_required " .. why, short(ask("u@" .. name .. ".example", { tls = "require" })), name)
      assert.equal(1, world:connections("mx." .. name .. ".example") - before, name)
    end
    assert.equal("deliverable accepted nil", short(ask("u@good.example", { tls = "require" })))
  end)

  it("says tls_required where the host wants it and it is off", function()
    local verdict = ask("u@must.example", { tls = "off" })
    assert.equal("unknown tls_required nil", short(verdict))
    assert.equal(530, verdict.reply.code)
    assert.equal("deliverable accepted nil", short(ask("u@must.example")))
  end)

  it("verifies each name for itself: hosts of two names do not share a session", function()
    local one = rcpt.new(world:options { linger = 60, tls_ca_file = world.ca_file })
    local before = world:connections("127.0.5.1")
    assert.is_true(one:validate("u@good.example").tls.verified)
    local verdict = one:validate("u@alias.example")
    assert.is_false(verdict.tls.verified)
    assert.equal(2, world:connections("127.0.5.1") - before)
    one:close()
  end)

  it("asks many addresses on few connections", function()
    local before, n = world:connections("mx.good.example"), 0
    for verdict in rcpt.new(world:options()):each(function()
      n = n + 1
      return n <= 60 and ("u%d@good.example"):format(n) or nil
    end) do
      assert.equal("accepted", verdict.reason)
      assert.equal("string", type(verdict.tls.version))
    end
    assert.is_true(world:connections("mx.good.example") - before <= 5)
  end)

  describe("option vrfy", function()
    local function lines_of(address, given)
      local from = #world:lines("mx.vrfy.example")
      local verdict = ask(address, given)
      assert.truthy(world:wait(function() return world:open_now() == 0 end))
      local all, said = world:lines("mx.vrfy.example"), {}
      for i = from + 1, #all do said[#said + 1] = all[i]:match("^%a+") end
      return table.concat(said, " "), verdict
    end

    it("is off by default", function()
      local said, verdict = lines_of("no@vrfy.example")
      assert.equal("EHLO MAIL RCPT QUIT", said)
      assert.is_nil(verdict.vrfy)
    end)

    it("lets a definite no decide, without RCPT", function()
      for local_part, reason in pairs { no = "mailbox_unknown", moved = "mailbox_moved" } do
        local said, verdict = lines_of(local_part .. "@vrfy.example", { vrfy = true, transcript = true })
        assert.equal("EHLO VRFY QUIT", said)
        assert.equal("undeliverable " .. reason .. " nil", short(verdict))
        assert.equal("vrfy", verdict.stage)
        assert.equal("vrfy", verdict.reply.stage)
        assert.same(verdict.reply, verdict.vrfy)
      end
    end)

    it("notes all else and asks RCPT (S74, S75)", function()
      for local_part, code in pairs { yes = 250, maybe = 252, many = 553, off = 502, policy = 550, later = 450 } do
        local said, verdict = lines_of(local_part .. "@vrfy.example", { vrfy = true, transcript = true })
        assert.equal("EHLO VRFY MAIL RCPT QUIT", said, local_part)
        assert.equal("deliverable accepted nil", short(verdict), local_part)
        assert.equal(code, verdict.vrfy.code)
        assert.equal("rcpt", verdict.reply.stage)
        assert.truthy(verdict.transcript:find("C: VRFY " .. local_part .. "@", 1, true))
        assert.truthy(verdict.transcript:find("C: RCPT TO:<" .. local_part .. "@", 1, true))
        assert.equal(select(2, verdict.transcript:gsub("C: EHLO", "")), 1)
      end
    end)

    it("is not said where it is not offered", function()
      local verdict = ask("u@novrfy.example", { vrfy = true })
      assert.equal("deliverable accepted nil", short(verdict))
      assert.is_nil(verdict.vrfy)
    end)

    it("is given up for a host that hangs up on it", function()
      local before = world:connections("mx.hates.example")
      assert.equal("deliverable accepted nil", short(ask("u@hates.example", { vrfy = true })))
      assert.equal(2, world:connections("mx.hates.example") - before)
      assert.equal("deliverable accepted nil", short(ask("v@hates.example", { vrfy = true })))
      assert.equal(3, world:connections("mx.hates.example") - before)
    end)
  end)
end)
