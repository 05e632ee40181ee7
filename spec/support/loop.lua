--- The smallest hub: an engine, and a way to wait for its jobs. For specs of the core only.
-- SPDX-License-Identifier: MIT
local core = require "rcpt.core"

local Loop = {}
Loop.__index = Loop

--- A loop with an engine of its own.
function Loop.new()
  return setmetatable({ engine = assert(core.engine()), done = {} }, Loop)
end

--- One turn: wait at most so many seconds (1), step, keep what ended.
function Loop:turn(seconds)
  self.engine:wait(seconds or 1)
  assert(self.engine:step())
  return self:collect()
end

--- Keep what ended; how many that were.
function Loop:collect()
  local n = 0
  for job, result, message, code in self.engine:drain() do
    assert(not self.done[job], "a job was reported twice")
    self.done[job] = { result, message, code }
    n = n + 1
  end
  return n
end

--- Until predicate() is true; raises after so many seconds (10).
function Loop:run(predicate, seconds)
  local late = core.now() + (seconds or 10)
  while not predicate() do
    assert(core.now() < late, "the engine did not get there in time")
    self:turn(0.25)
  end
end

--- The end of a job: result, message, code. It must have been made: `job, message, code` may be
-- passed on as they come from the call that makes it.
function Loop:await(job, message)
  assert(job, message)
  self:run(function() return self.done[job] end)
  local ended = self.done[job]
  self.done[job] = nil
  return ended[1], ended[2], ended[3]
end

function Loop:close()
  self.engine:close()
end

--- Descriptors of the kinds the core makes that this process has open: sockets, pollers, timers.
-- A world and io.popen use pipes and files.
function Loop.descriptors()
  local pipe = assert(io.popen("ls -l /proc/" .. core.pid() .. "/fd 2>/dev/null | grep -c -e socket: -e anon_inode:"))
  local n = pipe:read "*n"
  pipe:close()
  return n
end

--- Memory of this process in MiB: what is resident now.
function Loop.memory()
  local file = assert(io.open("/proc/self/status"))
  local kib = file:read("*a"):match "VmRSS:%s*(%d+)"
  file:close()
  return tonumber(kib) / 1024
end

return Loop
