-- Ten thousand sessions of every kind, ended in every way, leave nothing behind.
-- SPDX-License-Identifier: MIT
local Loop = require "spec.support.loop"
local World = require "spec.support.world"

local USER, OTHER = "user@a.example", "nobody@a.example"
local N, AT_ONCE = 10000, 100
local SEED = 20241
local is_watched = (os.getenv "RCPT_ASAN" or os.getenv "RCPT_VALGRIND") ~= nil

-- A generator of our own: the same numbers on every Lua.
local function dice(seed)
  return function(n)
    seed = (seed * 16807) % 2147483647
    return seed % n + 1
  end
end

local HOSTS = {
  { rcpt = { [USER] = "250 2.1.5 ok" } },
  { rcpt = { [USER] = "250 2.1.5 ok" }, ehlo = "250-mx\n250-VRFY\n250 8BITMIME" },
  { rcpt = { [USER] = "250 2.1.5 ok" }, tls = true },
  { refuse = true },
  { greeting = "554 5.7.1 no" },
  { greeting = { close = true } },
  { greeting = { silence = true } },
  { ehlo = { reset = true } },
  { mail = "421 4.3.2 bye" },
  { rcpt = { close = true } },
  { rcpt = { "250 ok", { close = true } } },
  { rcpt = { raw = "what?\r\n" } },
  { tls = { close = true } },
  { tls = { stall = "handshake" } },
  { tls = { rcpt_after = { close = "bare" } } },
  { rcpt = { silence = true } },
}
-- The first ones are met more often: a handshake costs the world more than it costs us.
local WEIGHTED = { 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 }

describe("ten thousand sessions #slow", function()
  local world, loop, roll

  setup(function()
    for i, host in ipairs(HOSTS) do
      host.ip, host.name = "127.0.1." .. i, "mx" .. i .. ".a.example"
    end
    world = World.start { hosts = HOSTS, proxies = { {}, { fail = "refused" }, { fail = "close" } } }
    loop = Loop.new()
    roll = dice(SEED)
  end)

  teardown(function()
    loop:close()
    world:stop()
  end)

  local function options(i)
    local proxy = roll(12) == 1 and { ip = "127.0.0.1", port = tonumber(world.proxies[roll(3)]:match ":(%d+)$") } or nil
    return { to = { "127.0.1." .. i }, port = world.port, helo = "probe.example",
      sender = roll(3) > 1 and "a@b.example" or "",
      connect = 2, greeting = 0.5, reply = 0.5, idle = 0.5, tls = "may", name = "mx" .. i .. ".a.example",
      transcript = roll(2) == 1, greeting_only = roll(20) == 1, proxy = proxy }
  end

  -- One session's life, told job by job: each step gives the next job, or nil at the end.
  local function life()
    local left = roll(5)                  -- questions
    return coroutine.wrap(function()
      local job = assert(loop.engine:open(options(WEIGHTED[roll(#WEIGHTED)])))
      if roll(8) == 1 then
        return                            -- its handle is dropped
      end
      local session = coroutine.yield(job)
      while session and left > 0 and session:ready() do
        left = left - 1
        local ask = roll(6) == 1 and session.vrfy or session.rcpt
        local put = ask(session, roll(2) == 1 and USER or OTHER, roll(10) == 1 and 0.001 or nil)
        if roll(10) == 1 then
          put:cancel()
        elseif roll(20) == 1 then
          session:rcpt(USER)              -- and forgotten
        end
        coroutine.yield(put)
        if roll(10) == 1 then
          session:evidence()
        end
      end
      if session and roll(3) > 1 then
        session:quit()
      end
    end)
  end

  -- So many lives, at most AT_ONCE of them at a time.
  local function live(n)
    local waiting, under_way, begun = {}, 0, 0
    local function go_on(step, result)
      local job = step(result)
      if job then
        waiting[job] = step
        if roll(25) == 1 then
          job:cancel()
        end
      else
        under_way = under_way - 1
      end
    end
    while begun < n or under_way > 0 do
      while begun < n and under_way < AT_ONCE do
        begun, under_way = begun + 1, under_way + 1
        go_on(life())
      end
      loop:turn(1)
      for job, ended in pairs(loop.done) do
        local step = waiting[job]
        loop.done[job], waiting[job] = nil, nil
        if step then
          go_on(step, ended[1])
        end
      end
    end
    loop:run(function()                   -- the last handles are collected, their jobs with them
      collectgarbage()
      collectgarbage()
      loop:collect()
      return loop.engine:pending() == 0
    end)
  end

  it("leave no descriptor, no memory and no Lua value", function()
    live(1000)                            -- what is made once, and tables of the size they need
    local fds, lua, resident = Loop.descriptors(), collectgarbage "count", Loop.memory()
    live(N)
    assert.equal(fds, Loop.descriptors(), "seed " .. SEED)
    local grown = collectgarbage "count" - lua
    assert.is_true(grown < 256, ("Lua holds %.1f KiB more"):format(grown))
    grown = Loop.memory() - resident
    assert.is_true(is_watched or grown < 10,      -- 1 KiB a session
      ("%.1f MiB more are resident"):format(grown))
    assert.equal(0, world:count("DATA", ".") + world:count("BDAT", "."))
  end)
end)
