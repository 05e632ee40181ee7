--- The driver for a script without an event loop: a scheduler of its own, and poll(2) when nothing can go on.
-- `run` gives coroutines of the scheduler; they suspend. Anywhere else (the main thread, a coroutine somebody else
-- resumes) waiting turns the loop until the answer is there, so the others go on meanwhile.
--
-- The engine ends every job by itself, so waiting here needs no time limit of its own.
-- @module rcpt.driver.plain
local close = coroutine.close -- luacheck: ignore 143 (5.4 alone has it)
local create, resume = coroutine.create, coroutine.resume
local running, status, yield = coroutine.running, coroutine.status, coroutine.yield
local error, next, select, setmetatable, traceback = error, next, select, setmetatable, debug.traceback
local type, unpack = type, table.unpack or unpack -- luacheck: ignore
local plain = {}

-- Loops turned inside coroutines turned inside loops: each takes C stack, of which there is little.
local DEPTH_MAX = 8

-- Stands for whoever turns the loop itself.
local BARE = { is_bare = true }

-- One loop a hub.
local function loop_of(hub)
  local loop = hub.plain
  if not loop then
    loop = { queue = {}, head = 1, tail = 0, tasks = {}, depth = 0, current = nil }
    hub.plain = loop
  end
  return loop
end

local function push(loop, task)
  loop.tail = loop.tail + 1
  loop.queue[loop.tail] = task
end

local function pop(loop)
  local head = loop.head
  if head > loop.tail then return nil end
  local task = loop.queue[head]
  loop.queue[head] = nil
  if head == loop.tail then
    loop.head, loop.tail = 1, 0
  else
    loop.head = head + 1
  end
  return task
end

-- Is the running coroutine a task of this loop's, resumed by it?
local function current_task(loop)
  local task, co = loop.current, running()
  return co and task and task.co == co and task or nil
end

local Task = {}
Task.__index = Task

local function pack(...) return { n = select("#", ...), ... } end

-- A task ended: tell who waits for it.
local function finish(hub, loop, task, ok, ...)
  loop.tasks[task] = nil
  task.ended = true
  if ok then
    task.results = pack(...)
  else
    local raised = ...
    if type(raised) == "string" then raised = traceback(task.co, raised) end
    task.failure = { error = raised, seen = false }
    hub:fail(task.failure)
  end
  local scope = task.scope
  if scope then
    scope[task] = nil
  end
  local waiting = task.waiting
  if waiting then
    for i = 1, #waiting do hub:finish(waiting[i], true) end
  end
end

local function after(hub, loop, task, ok, ...)
  if not ok or status(task.co) == "dead" then
    finish(hub, loop, task, ok, ...)
  elseif not task.is_parked then
    push(loop, task)                 -- it yielded by itself: let the others go first
  end
end

local function go_on(hub, loop, task)
  local before = loop.current
  loop.current = task
  local args = task.args
  if args then
    task.args = nil
    after(hub, loop, task, resume(task.co, unpack(args, 1, args.n)))
  else
    after(hub, loop, task, resume(task.co))
  end
  loop.current = before
end

-- Resume what is ready, then look at the engine; block only when nothing is ready. False when
-- nothing is ready and nothing under way.
local function turn(hub, loop)
  local n = loop.depth < DEPTH_MAX and loop.tail - loop.head + 1 or 0
  if n > 0 then
    loop.depth = loop.depth + 1
    for _ = 1, n do
      local task = pop(loop)
      if not task then break end
      if not task.is_dropped then go_on(hub, loop, task) end
    end
    loop.depth = loop.depth - 1
  elseif not hub:block() then
    return false
  end
  local ok, message, code = hub:pump()
  if not ok then error(("rcpt: the engine of this loop stopped (%s): %s"):format(code, message), 0) end
  return true
end

local function make(loop, fn, scope)
  local task = setmetatable({ co = create(fn), is_parked = false, ended = false, scope = scope }, Task)
  if scope then scope[task] = true end
  loop.tasks[task] = true
  push(loop, task)
  return task
end

--- May the running coroutine be suspended here?
-- @tparam table hub
-- @treturn boolean
function plain.inside(hub) return current_task(loop_of(hub)) ~= nil end

--- A waiter for the running coroutine.
-- @tparam table hub
-- @treturn table
function plain.waiter(hub)
  return current_task(loop_of(hub)) or BARE
end

--- Nothing to see to: whoever waits turns the loop.
-- @treturn boolean true
function plain.watch() return true end

--- @treturn boolean true
function plain.unwatch() return true end

local STUCK = "rcpt: nothing is under way that could end this wait"

--- Suspend until `wake(waiter)`, or turn the loop once. Who waits looks again afterwards. May yield.
-- @tparam table waiter
-- @tparam table hub
-- @treturn boolean true
-- @raise where nothing is under way that could end the wait
function plain.wait(waiter, hub)
  if waiter == BARE then
    if not turn(hub, loop_of(hub)) then error(STUCK, 0) end
    return true
  end
  waiter.is_parked = true
  waiter.loop = loop_of(hub)
  yield()
  waiter.is_parked = false
  return true
end

--- Let a waiter's coroutine go on. Any number of times, any time.
-- @tparam table waiter
function plain.wake(waiter)
  if waiter.is_parked then
    waiter.is_parked = false
    push(waiter.loop, waiter)
  end
end

--- Run a function in a coroutine of the loop's; it goes on whenever somebody turns the loop.
-- @tparam table hub
-- @tparam function fn
function plain.spawn(hub, fn) make(loop_of(hub), fn) end

--- Wait for a task. May yield; anywhere but in `rcpt.run` it turns the loop.
-- @return what its function returned
-- @raise what its function raised, with its traceback
function Task:wait()
  local hub = self.hub
  if not self.ended then
    local slot = { done = false }
    self.waiting = self.waiting or {}
    self.waiting[#self.waiting + 1] = slot
    hub:settle(slot, plain)
  end
  if self.failure then
    self.failure.seen = true
    error(self.failure.error, 0)
  end
  return unpack(self.results, 1, self.results.n)
end

-- The scope (the set of tasks) of the innermost `run` around the running coroutine.
local function scope_here(loop)
  local task = current_task(loop)
  return task and task.scope
end

--- Start a function beside the running one, inside `rcpt.run`.
-- @tparam table hub
-- @tparam function fn
-- @param ... its arguments
-- @treturn ?Task with `task:wait()`; nil outside of `run`
function plain.start(hub, fn, ...)
  local loop = loop_of(hub)
  local scope = scope_here(loop)
  if not scope then return nil end
  local task = make(loop, fn, scope)
  task.hub, task.args = hub, pack(...)
  return task
end

-- What a run leaves behind when it raises is not resumed any more.
local function drop(loop, scope)
  for task in next, scope do
    task.is_dropped = true
    loop.tasks[task] = nil
    if close and status(task.co) == "suspended" then close(task.co) end
  end
end

local function give(task, hub)
  if task.failure then
    hub:failure()                    -- its own error comes first; the others are forgotten
    error(task.failure.error, 0)
  end
  local failure = hub:failure()
  if failure then error(failure.error, 0) end
  return unpack(task.results, 1, task.results.n)
end

--- Run a function as a coroutine of the loop's, turn the loop until it and all it started with `spawn` have ended.
-- @tparam table hub
-- @tparam function fn
-- @param ... its arguments
-- @return what fn returns
-- @raise what fn raised, with its traceback; else the first error of a coroutine that nobody waited for
function plain.run(hub, fn, ...)
  local loop = loop_of(hub)
  if current_task(loop) then return fn(...) end
  local scope = {}
  local task = make(loop, fn, scope)
  task.hub, task.args = hub, pack(...)
  while next(scope) and not (task.ended and task.failure) do
    if not turn(hub, loop) then
      drop(loop, scope)
      local failure = task.failure or hub:failure()
      error(failure and failure.error or STUCK, 0)
    end
  end
  drop(loop, scope)
  return give(task, hub)
end

return plain
