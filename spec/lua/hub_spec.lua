local core = require "rcpt.core"
local hub = require "rcpt.hub"
local rcpt = require "rcpt"
local World = require "spec.support.world"

local LUA = os.getenv("RCPT_LUA") or (rawget(_G, "jit") and "luajit" or "lua5.4")

-- Wait that long as validate() waits: through hub and driver.
local drivers = require "rcpt.drivers"
local function nap(seconds)
  local one = hub.get()
  return one:await({}, drivers.choose(), nil, one.engine:sleep(seconds))
end

describe("rcpt.run", function()
  it("gives what its function returns, nils included", function()
    local n = select("#", rcpt.run(function(a, b) nap(0.001) return a, nil, b, nil end, 1, 2))
    assert.equal(4, n)
    local a, b, c = rcpt.run(function(x) return x, nil, 3 end, 1)
    assert.same({ 1, nil, 3 }, { a, b, c })
  end)

  it("raises what its function raised, with where it was", function()
    local ok, message = pcall(rcpt.run, function() nap(0.001) error("oops") end)
    assert.is_false(ok)
    assert.truthy(message:find("hub_spec.lua:%d+: oops"))
    assert.truthy(message:find("stack traceback", 1, true))
  end)

  it("raises a value that is no text as it is", function()
    local mine = {}
    local ok, raised = pcall(rcpt.run, function() error(mine) end)
    assert.is_false(ok)
    assert.equal(mine, raised)
  end)

  it("waits for all that was spawned", function()
    local done = false
    rcpt.run(function() rcpt.spawn(function() nap(0.01) done = true end) end)
    assert.is_true(done)
  end)

  it("runs them at once, not one after the other", function()
    local before = core.now()
    rcpt.run(function()
      for _ = 1, 50 do rcpt.spawn(function() nap(0.05) end) end
    end)
    assert.is_true(core.now() - before < 1)
  end)

  it("raises what a spawned function raised and nobody waited for", function()
    local ok, message = pcall(rcpt.run, function() rcpt.spawn(function() error("lost?") end) return 1 end)
    assert.is_false(ok)
    assert.truthy(message:find("lost?", 1, true))
  end)

  it("leaves to wait() what wait() raised", function()
    local ok, message, value = rcpt.run(function()
      local task = rcpt.spawn(function() nap(0.001) error("mine") end)
      local ok, message = pcall(task.wait, task)
      return ok, message, 7
    end)
    assert.is_false(ok)
    assert.truthy(message:find("mine", 1, true))
    assert.equal(7, value)
  end)

  it("forgets the errors of one run before the next", function()
    pcall(rcpt.run, function() rcpt.spawn(function() error("a") end) error("b") end)
    assert.equal(1, rcpt.run(function() return 1 end))
  end)

  it("raises instead of waiting for ever", function()
    local ok, message = pcall(rcpt.run, function()
      local a, b
      a = rcpt.spawn(function() nap(0.001) b:wait() end)
      b = rcpt.spawn(function() nap(0.001) a:wait() end)
      a:wait()
    end)
    assert.is_false(ok)
    assert.truthy(message:find("nothing is under way", 1, true))
  end)

  it("works inside itself", function()
    assert.equal(3, rcpt.run(function() nap(0.001) return rcpt.run(function(x) nap(0.001) return x end, 3) end))
  end)

  it("lets the others go on when a coroutine yields by itself", function()
    local order = {}
    rcpt.run(function()
      rcpt.spawn(function() order[#order + 1] = "other" end)
      coroutine.yield()
      order[#order + 1] = "first"
    end)
    assert.same({ "other", "first" }, order)
  end)

  it("wants a function, and spawn wants run", function()
    assert.has_error(function() rcpt.run(1) end)
    assert.has_error(function() rcpt.spawn(function() end) end, "rcpt.spawn belongs inside rcpt.run")
  end)
end)

describe("a wait outside of rcpt.run", function()
  it("blocks the main thread until its answer is there", function() assert.is_true(nap(0.001)) end)

  it("blocks a coroutine somebody else resumes, and never yields to it", function()
    local co = coroutine.wrap(function() return nap(0.001), "end" end)
    local result, last = co()
    assert.is_true(result)
    assert.equal("end", last)
  end)

  it("lets the scheduler's own go on meanwhile", function()
    local n = 0
    rcpt.run(function()
      rcpt.spawn(function()
        for _ = 1, 5 do
          nap(0.001)
          n = n + 1
        end
      end)
      coroutine.wrap(function() nap(0.05) end)()
      assert.equal(5, n)
    end)
  end)

  it("survives coroutines that block within coroutines that block", function()
    local done = 0
    rcpt.run(function()
      for _ = 1, 300 do
        rcpt.spawn(function()
          coroutine.wrap(function() nap(0.002) end)()
          done = done + 1
        end)
      end
    end)
    assert.equal(300, done)
  end)
end)

describe("validator:start", function()
  local world, validator
  setup(function()
    world = World.start {
      zones = {
        ["ok.example"] = { MX = { { 10, "mx.ok.example" } } }, ["mx.ok.example"] = { A = "127.0.2.1" },
        ["slow.example"] = { MX = { { 10, "mx.slow.example" } } }, ["mx.slow.example"] = { A = "127.0.2.2" },
        ["mute.example"] = { silent = true },
        ["half.example"] = { MX = { { 10, "mx.half.example" } } },
        ["mx.half.example"] = { A = "127.0.2.1", on = { AAAA = { silent = true } } },
      },
      hosts = {
        { ip = "127.0.2.1", name = "mx.ok.example", rcpt = "250 2.1.5 ok" },
        { ip = "127.0.2.2", name = "mx.slow.example", rcpt = { silence = true } },
      },
    }
    validator = rcpt.new(world:options { deadline = 20 })
  end)
  teardown(function() world:stop() end)

  it("gives the verdict to wait(), any number of times", function()
    local call = validator:start("user@ok.example")
    local verdict = call:wait()
    assert.equal("deliverable", verdict.status)
    assert.is_true(call:is_done())
    assert.equal(verdict, (call:wait()))
  end)

  it("goes on beside the caller", function()
    rcpt.run(function()
      local a, b = validator:start("a@ok.example"), validator:start("b@ok.example")
      assert.is_false(a:is_done())
      assert.equal("a@ok.example", a:wait().address)
      assert.equal("b@ok.example", b:wait().address)
    end)
  end)

  it("lets several wait for one", function()
    rcpt.run(function()
      local call, got = validator:start("user@ok.example"), {}
      for i = 1, 3 do
        rcpt.spawn(function() got[i] = call:wait() end)
      end
      local mine = call:wait()
      coroutine.yield()
      for i = 1, 3 do assert.equal(mine, got[i]) end
    end)
  end)

  local function gone(call)
    local verdict, message, code = call:wait()
    assert.is_nil(verdict)
    assert.equal("string", type(message))
    return code
  end

  it("answers a cancelled one with nil, message, cancelled, at every stage of it", function()
    local call = validator:start("user@slow.example")
    call:cancel()
    assert.equal("cancelled", gone(call))          -- before it began
    for _, case in ipairs {
      { "user@mute.example", "query", "^mute.example" }, { "user@half.example", "query", "mx.half.example" },
      { "user@slow.example", "line", "^RCPT" },
    } do
      local before = core.now()
      call = validator:start(case[1])
      local pattern = case[3]
      rcpt.run(function()
        local seen = world:count(case[2], pattern)
        local task = rcpt.spawn(function() return gone(call) end)
        local function is_there() return world:count(case[2], pattern) > seen end
        assert.truthy(world:wait(is_there, 5, function() nap(0.005) end))
        call:cancel()
        call:cancel()
        assert.equal("cancelled", task:wait())
      end)
      assert.is_true(core.now() - before < 5, case[1])   -- by itself it would take ten seconds at least
    end
  end)

  it("changes nothing about an answered one", function()
    local call = validator:start("user@ok.example")
    call:wait()
    call:cancel()
    assert.equal("deliverable", call:wait().status)
  end)

  it("ends what is under way when the validator is closed", function()
    local one = rcpt.new(world:options())
    rcpt.run(function()
      local call = one:start("user@slow.example")
      nap(0.02)
      one:close()
      assert.equal("closed", gone(call))
    end)
  end)

  it("raises in wait() what was raised in it", function()
    local call = validator:start("user@ok.example")
    call.probe.options = setmetatable({}, { __index = function() error("broken inside") end })
    local ok, message = pcall(call.wait, call)
    assert.is_false(ok)
    assert.truthy(message:find("broken inside", 1, true))
    assert.equal(1, rcpt.run(function() return 1 end))
  end)

  it("is collected with its coroutine, and its job with it", function()
    local one = hub.get()
    local before = one.engine:pending()
    pcall(rcpt.run, function()
      rcpt.spawn(function() validator:validate("user@slow.example") end)
      nap(0.02)
      error("leave it")
    end)
    collectgarbage()
    collectgarbage()
    one:pump()
    assert.equal(before, one.engine:pending())
  end)
end)

describe("a slot", function()
  it("given another job takes the end of that one alone", function()
    local one, slot = hub.get(), {}
    local first, before = one.engine:sleep(0.001), core.now()
    one:post(slot, first)
    assert.is_true(one:await(slot, drivers.choose(), nil, one.engine:sleep(0.05)))
    assert.is_true(core.now() - before >= 0.04)
    first:cancel()
  end)

  it("answers at once for a job that could not be made", function()
    local result, message, code = hub.get():await({}, drivers.choose(), nil, nil, "no", "nomem")
    assert.is_nil(result)
    assert.same({ "no", "nomem" }, { message, code })
  end)
end)

describe("hub.get", function()
  it("is one a process, and another in a forked child", function()
    local mine = hub.get()
    assert.equal(mine, hub.get())
    local pid = core.pid
    core.pid = function() return -1 end
    local other = hub.get()
    core.pid = pid
    assert.not_equal(mine, other)
    assert.not_equal(mine.engine, other.engine)
  end)

  it("shares a resolver among who ask the same servers", function()
    local one = hub.get()
    assert.equal(one:resolver("127.0.0.1:5300"), one:resolver("127.0.0.1:5300"))
    assert.not_equal(one:resolver("127.0.0.1:5300"), one:resolver("127.0.0.1:5301"))
  end)
end)

describe("rcpt.lines", function()
  -- Lines of a child's standard input, as "length:cut:first ten bytes".
  local function lines_of(command)
    local program = [[local rcpt = require 'rcpt'
      rcpt.run(function()
        for line, cut in rcpt.lines(0) do io.write(#line, ':', tostring(cut), ':', line:sub(1, 10), ' ') end
      end)]]
    local pipe = assert(io.popen(("%s | %s -e \"%s\""):format(command, LUA, program)))
    local out = pipe:read("*a")
    pipe:close()
    return out
  end

  it("gives each line, a last one without an end, and empty ones", function()
    assert.equal("1:false:a 0:false: 2:false:bc ", lines_of("printf 'a\\n\\nbc'"))
    assert.equal("1:false:a ", lines_of("printf 'a\\n'"))
    assert.equal("", lines_of("printf ''"))
  end)

  it("joins what comes in pieces", function()
    assert.equal("4:false:abcd ", lines_of("{ printf ab; sleep 0.05; printf 'cd\\n'; }"))
  end)

  it("cuts a line over 64 KiB and finds the next", function()
    assert.equal("65536:true:xxxxxxxxxx 1:false:b ",
      lines_of("{ head -c 200000 /dev/zero | tr '\\0' x; printf '\\nb\\n'; }"))
  end)

  it("ends with a descriptor that is at its end", function()
    assert.equal("", lines_of("true"))
  end)
end)
