local hub = require "rcpt.hub"
local rcpt = require "rcpt"
local World = require "spec.support.world"

describe("validator:each", function()
  local world, validator
  setup(function()
    world = World.start {
      zones = {
        ["ok.example"] = { MX = { { 10, "mx.ok.example" } } }, ["mx.ok.example"] = { A = "127.0.3.1" },
        ["slow.example"] = { MX = { { 10, "mx.slow.example" } } }, ["mx.slow.example"] = { A = "127.0.3.2" },
      },
      hosts = {
        { ip = "127.0.3.1", name = "mx.ok.example", rcpt = "250 2.1.5 ok" },
        { ip = "127.0.3.2", name = "mx.slow.example", rcpt = { silence = true } },
      },
    }
    validator = rcpt.new(world:options { deadline = 20 })
  end)
  teardown(function() world:stop() end)

  local function numbers(n, domain)
    local list = {}
    for i = 1, n do list[i] = ("u%d@%s"):format(i, domain or "ok.example") end
    return list
  end

  local function collect(...)
    local seen, n = {}, 0
    for verdict in validator:each(...) do
      seen[verdict.address] = (seen[verdict.address] or 0) + 1
      n = n + 1
    end
    return seen, n
  end

  it("answers each address of a list once", function()
    for _, concurrency in ipairs { 1, 3, 100 } do
      local seen, n = collect(numbers(40), { concurrency = concurrency })
      assert.equal(40, n)
      for _, address in ipairs(numbers(40)) do assert.equal(1, seen[address]) end
    end
  end)

  it("answers an address given twice twice", function()
    assert.same({ ["a@ok.example"] = 2 }, (collect { "a@ok.example", "a@ok.example" }))
  end)

  it("ends at once on an empty source", function()
    assert.equal(0, select(2, collect {}))
    assert.equal(0, select(2, collect(function() end)))
  end)

  it("takes from the source no more than is on the way", function()
    for _, concurrency in ipairs { 1, 4 } do
      local drawn, given, most = 0, 0, 0
      local function source()
        drawn = drawn + 1
        most = math.max(most, drawn - given)
        return drawn <= 50 and ("u%d@ok.example"):format(drawn) or nil
      end
      for _ in validator:each(source, { concurrency = concurrency }) do given = given + 1 end
      assert.equal(50, given)
      assert.is_true(most <= concurrency + 1, ("%d drawn ahead"):format(most))
    end
  end)

  it("asks that many at once, and no more", function()
    local one = rcpt.new(world:options { deadline = 0.3 })
    local function connects()
      local n = 0
      for _, event in ipairs(world:journal()) do
        if event.kind == "connect" and event.host == "mx.slow.example" then n = n + 1 end
      end
      return n
    end
    local n, before, at_first = 0, connects(), nil
    for verdict in one:each(numbers(10, "slow.example"), { concurrency = 5 }) do
      assert.equal("timeout", verdict.reason)
      n = n + 1
      at_first = at_first or connects() - before     -- nobody else runs while the loop's body does
    end
    assert.equal(10, n)
    assert.equal(5, at_first)
  end)

  it("works in a coroutine of rcpt.run, with a source that waits", function()
    local one = hub.get()
    rcpt.run(function()
      local i, n = 0, 0
      local function source()
        i = i + 1
        one:await({}, require "rcpt.drivers".choose(), nil, one.engine:sleep(0.001))
        return i <= 10 and ("u%d@ok.example"):format(i) or nil
      end
      for verdict in validator:each(source) do
        assert.equal("accepted", verdict.reason)
        n = n + 1
      end
      assert.equal(10, n)
    end)
  end)

  it("gives verdicts while the source waits", function()
    local opened = false
    local one = hub.get()
    local i = 0
    local function source()
      i = i + 1
      if i == 1 then return "first@ok.example" end
      while not opened do one:await({}, require "rcpt.drivers".choose(), nil, one.engine:sleep(0.001)) end
      return i == 2 and "second@ok.example" or nil
    end
    local order = {}
    for verdict in validator:each(source) do
      order[#order + 1] = verdict.address
      opened = true
    end
    assert.same({ "first@ok.example", "second@ok.example" }, order)
  end)

  it("raises in the loop what the source raised", function()
    local i = 0
    local ok, message = pcall(function()
      for _ in validator:each(function() i = i + 1 if i == 3 then error("dry well") end return "a@ok.example" end) do
        assert.is_true(i < 10)
      end
    end)
    assert.is_false(ok)
    assert.truthy(message:find("dry well", 1, true))
  end)

  it("raises for what is no string, and says which", function()
    local ok, message = pcall(function()
      for _ in validator:each { "a@ok.example", 7 } do end -- luacheck: ignore
    end)
    assert.is_false(ok)
    assert.truthy(message:find("an address must be a string, not a number: number 2 of the source", 1, true))
  end)

  it("wants a list or a function", function()
    for _, bad in ipairs { "a@ok.example", 1, true } do
      local ok, message = pcall(function()
        local iterator = validator:each(bad)
        return iterator
      end)
      assert.is_false(ok)
      assert.truthy(message:find("each_spec.lua:%d+: each wants a list or an iterator function"), message)
    end
  end)

  it("gives up what is under way when the loop is left", function()
    local one = hub.get()
    collectgarbage()
    collectgarbage()
    one:pump()
    local pending = one.engine:pending()
    local function leave()
      local list = numbers(5, "slow.example")
      list[6] = "u@ok.example"
      for verdict in validator:each(list) do -- luacheck: ignore 512
        assert.equal("u@ok.example", verdict.address)
        break
      end
    end
    leave()
    if rawget(_G, "jit") then               -- 5.4 closes the loop by itself
      collectgarbage()
      collectgarbage()
    end
    rcpt.run(function()
      for _ = 1, 5 do coroutine.yield() end
    end)
    assert.equal(pending, one.engine:pending())
    assert.truthy(world:wait(function() return world:open_now("mx.slow.example") == 0 end, 5))
  end)

  it("ends when the validator is closed, and says what was not asked", function()
    local one = rcpt.new(world:options())
    local drawn, asked, not_asked = 0, 0, 0
    local function source()
      drawn = drawn + 1
      return drawn == 1 and "a@ok.example" or "b@slow.example"
    end
    for verdict, message, code, address in one:each(source, { concurrency = 3 }) do
      if verdict then
        asked = asked + 1
        one:close()
      else
        not_asked = not_asked + 1
        assert.is_false(verdict)
        assert.equal("string", type(message))
        assert.equal("closed", code)
        assert.equal("b@slow.example", address)
      end
    end
    assert.equal(1, asked)
    assert.is_true(not_asked >= 2 and not_asked <= 4)
  end)

  it("keeps no more memory for more addresses", function()
    local function used(n)
      local i = 0
      for _ in validator:each(function() i = i + 1 return i <= n and "u@ok.example" or nil end,
        { level = "syntax", concurrency = 10 }) do end -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    used(100)
    local before = used(100)
    assert.is_true(used(20000) < before + 50)
  end)
end)
