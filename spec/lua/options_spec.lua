local options = require "rcpt.options"
local rcpt = require "rcpt"

local ME = { helo = "probe.example.net", sender = "user@probe.example.net" }

local function with(name, value)
  local given = {}
  for k, v in pairs(ME) do given[k] = v end
  given[name] = value
  return given
end

local function refusal(given)
  local ok, message = pcall(options.check, given, nil, 1)
  assert.is_false(ok)
  return message
end

describe("options.check", function()
  it("fills the defaults of the schema", function()
    local out = options.check(ME)
    for _, row in ipairs(options.schema) do
      if row.default ~= nil then assert.equal(row.default, out[row.name], row.name) end
    end
  end)

  it("leaves the caller's table as it was", function()
    local given = with("port", 2525)
    options.check(given)
    assert.same(with("port", 2525), given)
  end)

  it("names the nearest of an unknown option", function()
    assert.truthy(refusal(with("sendr", "x")):find("unknown option 'sendr'; did you mean 'sender'?", 1, true))
    assert.truthy(refusal(with("nameserver", {})):find("did you mean 'nameservers'?", 1, true))
  end)

  it("does not guess where nothing is near", function()
    local message = refusal(with("qqqqqqqqqqqq", 1))
    assert.truthy(message:find("unknown option 'qqqqqqqqqqqq'", 1, true))
    assert.falsy(message:find("did you mean", 1, true))
  end)

  it("points at the caller of rcpt.new, of validate and of start", function()
    local validator = rcpt.new(ME)
    local function here() return debug.getinfo(2, "l").currentline end
    for _, call in ipairs {
      function() local line = here(); rcpt.new { oops = 1 }; return line end,
    } do
      local ok, message = pcall(call)
      assert.is_false(ok)
      assert.truthy(message:find("options_spec.lua:%d+: unknown option 'oops'"), message)
    end
    for _, name in ipairs { "validate", "start" } do
      local ok, message = pcall(function()
        local verdict = validator[name](validator, "a@b.example", { oops = 1 })
        return verdict
      end)
      assert.is_false(ok)
      assert.truthy(message:find("options_spec.lua:%d+: unknown option 'oops'"), message)
      ok, message = pcall(function()
        local verdict = validator[name](validator, 7)
        return verdict
      end)
      assert.is_false(ok)
      assert.truthy(message:find("options_spec.lua:%d+: an address must be a string, not a number"), message)
    end
  end)

  it("needs helo and sender at level rcpt, and at no other", function()
    assert.truthy(refusal({ helo = ME.helo }):find("option 'sender' is missing: level \"rcpt\" needs", 1, true))
    assert.truthy(refusal({ sender = ME.sender }):find("option 'helo' is missing: level \"rcpt\" needs", 1, true))
    for _, level in ipairs { "syntax", "dns", "connect" } do
      assert.equal(level, options.check({ level = level }).level)
    end
  end)

  it("needs them when one question goes deeper than its validator", function()
    local validator = rcpt.new { level = "syntax" }
    local ok, message = pcall(validator.validate, validator, "a@b.example", { level = "rcpt" })
    assert.is_false(ok)
    assert.truthy(message:find("option 'helo' is missing", 1, true))
  end)

  it("names the nearest level", function()
    assert.truthy(refusal(with("level", "conect")):find("did you mean 'connect'?", 1, true))
  end)

  it("takes false for what this version does not have, and nothing else", function()
    for _, name in ipairs { "rate_limit", "cache", "catch_all", "greylist", "breaker", "single_flight",
      "preflight_gate", "policies", "store" } do
      assert.is_false(options.check(with(name, false))[name])
      assert.truthy(refusal(with(name, {})):find(
        ("option '%s': not part of this version; false is taken"):format(name), 1, true))
    end
  end)

  it("refuses numbers out of range, not whole, or none", function()
    for _, case in ipairs {
      { "deadline", 0 }, { "deadline", -1 }, { "deadline", 0 / 0 }, { "deadline", math.huge }, { "deadline", "5" },
      { "port", 0 }, { "port", 65536 }, { "port", 25.5 }, { "port", true }, { "concurrency", 0 }, { "max_hosts", 0 },
    } do
      assert.truthy(refusal(with(case[1], case[2])):find("option '" .. case[1] .. "' must be", 1, true))
    end
  end)

  it("refuses options that are no table", function()
    assert.truthy(refusal("x"):find("options must be a table, not a string", 1, true))
  end)
end)

describe("option helo", function()
  it("takes names and literals, international ones in ASCII", function()
    for given, kept in pairs {
      ["probe.example.net"] = "probe.example.net", ["b\195\188cher.example"] = "xn--bcher-kva.example",
      ["[192.0.2.1]"] = "[192.0.2.1]", ["[IPv6:2001:db8::1]"] = "[IPv6:2001:db8::1]",
    } do
      assert.equal(kept, options.check(with("helo", given)).helo)
    end
  end)

  it("refuses what is not fully qualified (S34), no name, or would end the line", function()
    for _, bad in ipairs { "localhost", "myhost", "localhost.localdomain", "a.localdomain", "", "a b.example",
      "a.example\r\nRSET", "a.example\n", "a@b.example", "192.0.2.1", "[192.0.2]", "-a.example", "a..example" } do
      assert.truthy(refusal(with("helo", bad)):find("option 'helo' must be", 1, true), bad)
    end
  end)
end)

describe("option sender", function()
  it("takes an address and the null sender", function()
    assert.equal("user@probe.example.net", options.check(ME).sender)
    assert.equal("", options.check(with("sender", "<>")).sender)
    assert.equal("user@xn--bcher-kva.example", options.check(with("sender", "user@b\195\188cher.example")).sender)
  end)

  it("refuses what is no address, beyond ASCII before the @, or would end the line", function()
    for _, bad in ipairs { "", "user", "user@", "a@b.example\r\nDATA", "a@b.example\n", "<a@b.example>",
      "\195\188@b.example" } do
      assert.truthy(refusal(with("sender", bad)):find("option 'sender' must be", 1, true), bad)
    end
  end)

  it("goes by the validator's liberties", function()
    assert.truthy(refusal(with("sender", "a@host.local")):find("special_use", 1, true))
    local given = with("sender", "a@host.local")
    given.special_use = true
    local base = options.check(given)
    assert.equal("a@host.local", base.sender)
    assert.equal("b@host.local", options.check({ sender = "b@host.local" }, base).sender)
  end)
end)

describe("options that are lists", function()
  it("gives nameservers a port", function()
    local out = options.check(with("nameservers", { "127.0.0.1", "127.0.0.1:5300", "::1", "[::1]:5300" }))
    assert.equal("127.0.0.1:53,127.0.0.1:5300,[::1]:53,[::1]:5300", out.nameservers)
  end)

  it("refuses nameservers that are none", function()
    for _, bad in ipairs { {}, { "ns.example" }, { "127.0.0.1:0" }, { "127.0.0.1:65536" }, { "127.0.0.1:" .. "9x" },
      { "256.1.1.1" }, { 1 }, { a = "127.0.0.1" }, "127.0.0.1" } do
      assert.truthy(refusal(with("nameservers", bad)):find("option 'nameservers' must", 1, true))
    end
  end)

  it("takes one source a family", function()
    assert.same({ ipv4 = "192.0.2.1" }, options.check(with("source", "192.0.2.1")).source)
    local out = options.check(with("source", { "192.0.2.1", "2001:db8::1" }))
    assert.same({ ipv4 = "192.0.2.1", ipv6 = "2001:db8::1" }, out.source)
    assert.truthy(refusal(with("source", { "192.0.2.1", "192.0.2.2" })):find("one address a family", 1, true))
    assert.truthy(refusal(with("source", "host.example")):find("must be an IP address", 1, true))
  end)

  it("refuses ranges that are none", function()
    for _, bad in ipairs { "10.0.0.0/33", "10.0.0.1/8", "x", "::/129", "10/8" } do
      assert.truthy(refusal(with("allow_nets", { bad })):find("option 'allow_nets' must hold IP ranges", 1, true), bad)
    end
  end)
end)

describe("options of one question", function()
  it("stand over the validator's, which stay", function()
    local base = options.check(ME)
    local out = options.check({ level = "dns", deadline = 3 }, base)
    assert.equal("dns", out.level)
    assert.equal(3, out.deadline)
    assert.equal("probe.example.net", out.helo)
    assert.equal("rcpt", base.level)
    assert.equal(45, base.deadline)
  end)
end)

describe("the README", function()
  it("has the table that check/options.lua prints", function()
    local file = assert(io.open("README.md"))
    local readme = file:read("*a")
    file:close()
    local kept = readme:match("<!%-%- options:.-%-%->\n(.-)<!%-%- /options %-%->")
    assert.equal(dofile("check/options.lua"), kept)
  end)
end)
