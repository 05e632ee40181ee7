-- SPDX-License-Identifier: MIT
local Loop = require "spec.support.loop"
local core = require "rcpt.core"

-- Run a piece of Lua in a process of its own, its standard input from a shell command; what it printed.
local function elsewhere(input, chunk)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(chunk)
  file:close()
  local lua = os.getenv "RCPT_LUA" or rawget(_G, "jit") and "luajit" or "lua5.4"
  local pipe = assert(io.popen(input:gsub("%%LUA", lua .. " " .. name) .. " 2>&1"))
  local text = pipe:read "*a"
  pipe:close()
  os.remove(name)
  return text
end

local PRELUDE = [[
  local Loop = require "spec.support.loop"
  local loop = Loop.new()
  local engine = loop.engine
]]

describe("engine/engine", function()
  local loop, engine

  before_each(function()
    loop = Loop.new()
    engine = loop.engine
  end)

  after_each(function() loop:close() end)

  -- A timer set to a time gone by fires a moment later, so what must be readable is given a second.
  describe("the descriptor", function()
    it("is the same all its life", function()
      local fd = engine:fd()
      loop:await(engine:sleep(0.01))
      assert.equal(fd, engine:fd())
    end)

    it("is not readable while there is nothing to do", function()
      local job = engine:sleep(60)
      assert.is_false(engine:wait(0.02))
      job:cancel()
    end)

    it("is readable when a job ended in the call that ended it, until that was seen", function()
      local job = engine:sleep(60)
      job:cancel()
      assert.is_true(engine:wait(1))
      assert.is_true(engine:wait(1))
      loop:turn(0)
      assert.is_false(engine:wait(0.02))
    end)

    it("becomes readable when a sleep is over, and costs no turn for nothing after it", function()
      local other, job = engine:sleep(60), engine:sleep(0.02)
      assert.is_true(engine:wait(5))
      engine:step()
      assert.equal(1, loop:collect())
      assert.is_false(engine:wait(0.02))
      assert.is_truthy(loop.done[job])
      other:cancel()
    end)

    it("is readable again and again while more is due than one step does", function()
      local jobs = {}
      for i = 1, 3000 do
        jobs[i] = engine:sleep(0)
      end
      local steps = 0
      while engine:pending() > 0 do
        assert.is_true(engine:wait(1))
        engine:step()
        steps = steps + 1
        for _ in engine:drain() do -- luacheck: ignore 542
        end
        assert.is_true(steps < 10)
      end
      assert.is_true(steps >= 3)
      assert.equal(3000, #jobs)
      assert.is_false(engine:wait(0.02))
    end)
  end)

  describe("sleep", function()
    it("ends in order of time, not of making", function()
      local c, a, b = engine:sleep(0.06), engine:sleep(0.02), engine:sleep(0.04)
      local order = {}
      while #order < 3 do
        engine:wait(1)
        engine:step()
        for job in engine:drain() do
          order[#order + 1] = job == a and "a" or job == b and "b" or job == c and "c" or "?"
        end
      end
      assert.same({ "a", "b", "c" }, order)
    end)

    it("does not end early", function()
      local started = core.now()
      assert.is_true(loop:await(engine:sleep(0.05)))
      assert.is_true(core.now() - started >= 0.0499)
    end)

    it("ends in the next step for a time gone by", function()
      local job = engine:sleep(-5)
      loop:turn(1)
      assert.same({ true }, loop.done[job])
    end)

    it("may last for ever", function()
      local job = engine:sleep(math.huge)
      assert.is_false(engine:wait(0.01))
      job:cancel()
    end)
  end)

  describe("drain", function()
    it("reports each ended job once", function()
      local job = engine:sleep(0)
      loop:turn(1)
      assert.is_truthy(loop.done[job])
      assert.equal(0, loop:collect())
      assert.equal(0, engine:pending())
    end)

    it("passes over a job whose handle was collected", function()
      engine:sleep(60)
      engine:sleep(0)
      collectgarbage()
      collectgarbage()
      assert.equal(2, engine:pending())
      loop:turn(0.05)
      assert.same({}, loop.done)
      assert.equal(0, engine:pending())
    end)

    it("may be left early; the rest is still there", function()
      local jobs = { engine:sleep(0), engine:sleep(0), engine:sleep(0) }
      engine:wait(1)
      engine:step()
      local ended, of = engine:drain()
      assert.truthy(ended(of))
      assert.equal(2, engine:pending())
      assert.equal(2, loop:collect())
      assert.equal(3, #jobs)
    end)

    it("sees a job that ends while it runs", function()
      engine:sleep(0):tag { "first" }
      local first = engine:sleep(0)
      engine:wait(1)
      engine:step()
      local seen, extra = 0, nil
      for _, _, _, code in engine:drain() do
        seen = seen + 1
        if not extra then
          extra = engine:sleep(60)
          extra:cancel()
        elseif code then
          assert.equal("cancelled", code)
        end
      end
      assert.is_true(seen >= 2)
      assert.truthy(first)
    end)
  end)

  describe("a job", function()
    it("is cancelled once, with its reason", function()
      local job = engine:sleep(60)
      job:cancel()
      job:cancel()
      local result, message, code = loop:await(job)
      assert.is_nil(result)
      assert.is_string(message)
      assert.equal("cancelled", code)
      job:cancel()
      assert.equal(0, loop:collect())
    end)

    it("that ended cannot be cancelled any more", function()
      local job = engine:sleep(0)
      engine:wait(1)
      engine:step()
      job:cancel()
      assert.is_true(loop:await(job))
    end)

    it("keeps one table, and gives nothing before it has one", function()
      local job, tag = engine:sleep(60), {}
      assert.is_nil(job:tag())
      assert.equal(tag, job:tag(tag))
      assert.equal(tag, job:tag())
      local other = {}
      job:tag(other)
      assert.equal(other, job:tag())
      job:cancel()
    end)

    it("is collected with a tag that refers to it", function()
      local gone = setmetatable({}, { __mode = "k" })
      do
        local job = engine:sleep(60)
        local tag = { job = job }
        job:tag(tag)
        gone[tag] = true
      end
      collectgarbage()
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(gone))
      loop:turn(0.05)
      assert.equal(0, engine:pending())
    end)

    it("closed by its scope is cancelled and nobody is told", function()
      local job = engine:sleep(60)
      getmetatable(job).__close(job)
      assert.equal(0, loop:collect())
      assert.equal(0, engine:pending())
      assert.equal("rcpt.job (closed)", tostring(job))
    end)

    it("may outlive its engine", function()
      local job, ended = engine:sleep(60), engine:sleep(0)
      loop:turn(1)
      engine:close()
      assert.truthy(tostring(job):find("sleep, closed", 1, true))
      assert.truthy(tostring(ended):find("sleep, ok", 1, true))
      job:cancel()
    end)
  end)

  describe("closing", function()
    it("may be done twice, with a thousand jobs", function()
      local jobs = {}
      for i = 1, 1000 do
        jobs[i] = engine:sleep(60)
      end
      local before = Loop.descriptors()
      engine:close()
      engine:close()
      assert.equal(before - 2, Loop.descriptors())
      assert.equal("rcpt.engine (closed)", tostring(engine))
      assert.truthy(tostring(jobs[1000]):find("sleep, closed", 1, true))
    end)

    it("answers every call afterwards", function()
      engine:close()
      for _, call in ipairs {
        function() return engine:fd() end, function() return engine:step() end,
        function() return engine:wait(0) end, function() return engine:sleep(1) end,
        function() return engine:read(0) end, function() return engine:resolver {} end,
        function() return engine:open { to = { "127.0.0.1" }, helo = "a.example" } end,
      } do
        local result, message, code = call()
        assert.is_nil(result)
        assert.is_string(message)
        assert.equal("closed", code)
      end
      assert.equal(0, engine:pending())
      for _ in engine:drain() do
        error "a closed engine has nothing to hand over"
      end
    end)

    it("is done by the collector, whatever is still held, in any order", function()
      for _ = 1, 3 do
        assert.equal("fine\n", elsewhere("%LUA", PRELUDE .. [[
          local World = require "spec.support.world"
          local w = World.start { hosts = { { ip = "127.0.1.1" } } }
          jobs = {}
          for i = 1, 50 do jobs[i] = engine:sleep(60) end
          session = loop:await(engine:open { to = { "127.0.1.1" }, port = w.port, helo = "a.example" })
          question = session:rcpt "user@a.example"
          jobs[51] = engine:open { to = { "127.0.1.1" }, port = w.port, helo = "a.example" }
          resolver = engine:resolver { servers = w.nameserver }
          jobs[52] = resolver:lookup("MX", "a.example")
          w:stop()
          print "fine"
          io.stdout:flush()
          os.exit(0, true)
        ]]))
      end
    end)
  end)

  describe("read", function()
    it("gives what comes, and then the end", function()
      assert.equal("5\n0\n", elsewhere("printf hello | %LUA", PRELUDE .. [[
        print(#loop:await(engine:read(0)))
        print(#loop:await(engine:read(0)))
      ]]))
    end)

    it("waits without holding up the rest", function()
      -- the writer waits until the reader has slept
      assert.equal("slept\nlate\n", elsewhere(
        "f=$(mktemp -u) && mkfifo $f && { read x <$f; echo late; } | %LUA $f; rm $f", PRELUDE .. [[
        local job = engine:read(0)
        assert(loop:await(engine:sleep(0.02)))
        print "slept"
        io.stdout:flush()
        local fifo = io.open(arg[1], "w")
        fifo:write "x\n"
        fifo:close()
        local text = loop:await(job)
        io.write(text)
      ]]))
    end)

    it("reads a file, and the null device", function()
      assert.equal("file\n", elsewhere("%LUA </proc/self/comm", PRELUDE .. [[
        print(#loop:await(engine:read(0)) > 0 and "file" or "nothing")
      ]]))
      assert.equal("0\n", elsewhere("%LUA </dev/null", PRELUDE .. [[
        print(#loop:await(engine:read(0)))
      ]]))
    end)

    it("gives a long input in bounded pieces", function()
      assert.equal("1000000 16384\n", elsewhere("head -c 1000000 /dev/zero | %LUA", PRELUDE .. [[
        local sum, most = 0, 0
        repeat
          local chunk = loop:await(engine:read(0))
          sum, most = sum + #chunk, math.max(most, #chunk)
        until chunk == ""
        print(sum, most)
      ]]):gsub("\t", " "))
    end)

    it("ends at its time, and when cancelled", function()
      assert.equal("timeout\ncancelled\n0\n", elsewhere(
        "f=$(mktemp -u) && mkfifo $f && { read x <$f; } | %LUA $f; rm $f", PRELUDE .. [[
        local _, _, code = loop:await(engine:read(0, 0.02))
        print(code)
        local job = engine:read(0)
        job:cancel()
        _, _, code = loop:await(job)
        print(code)
        print(engine:pending())
        io.open(arg[1], "w"):close()
      ]]))
    end)

    it("fails for a descriptor that is none", function()
      local _, _, code = loop:await(engine:read(999))
      assert.equal("system", code)
    end)
  end)
end)
