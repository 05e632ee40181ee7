--- Where coroutines wait: steps the engine, takes what ended, wakes who waited for it.
-- One hub a process, shared by all validators, made at first use; a forked child gets its own. The hub knows
-- no host: a driver (see `rcpt.drivers`) suspends and resumes.
--
-- What waits is a *slot*, any table: `hub:post` gives it a job, `hub:settle` suspends until the job has ended. The slot
-- travels with its job (`job:tag`), nothing else refers to it, so a coroutine that is dropped is collected with its
-- job, and the job is cancelled. A slot's `driver` may be anything with a `wake`, which need not let a coroutine go on;
-- it must not yield then.
-- @module rcpt.hub
local core = require "rcpt.core"
local concat, find, setmetatable, sub = table.concat, string.find, setmetatable, string.sub
local Hub = {}
Hub.__index = Hub
local hub = {}

local LINE_MAX = 65536

-- The one of this process.
local current

--- The hub of this process.
-- @treturn ?table nil, message, code where there can be no engine
-- @treturn ?string
-- @treturn ?string
function hub.get()
  local pid = core.pid()
  if current and current.pid == pid then return current end
  local engine, message, code = core.engine()
  if not engine then return nil, message, code end
  current = setmetatable({
    pid = pid, engine = engine, resolvers = setmetatable({}, { __mode = "v" }), failures = {},
  }, Hub)
  return current
end

--- The hub of this process, where there is one already.
-- @treturn ?table
function hub.current() return current and current.pid == core.pid() and current or nil end

--- The resolver that asks these nameservers; validators that ask the same share it and its cache.
-- @tparam ?string servers as the core takes them; nil for the system's
-- @treturn ?table
-- @treturn ?string
-- @treturn ?string
function Hub:resolver(servers)
  local key = servers or "system"
  local found = self.resolvers[key]
  if not found then
    local resolver, message, code = self.engine:resolver { servers = servers }
    if not resolver then return nil, message, code end
    self.resolvers[key], found = resolver, resolver
  end
  self.kept = found      -- the last one used stays, so that one-shot questions find its cache
  return found
end

--- Give a slot a job to wait for; takes the results of the core's call as they are.
-- @tparam table slot
-- @param job or nil, message, code
-- @tparam ?string message
-- @tparam ?string code
function Hub:post(slot, job, message, code) -- luacheck: ignore self
  slot.waiter = nil
  if job then
    slot.job, slot.done = job, false
    job:tag(slot)
  else
    slot.job, slot.done, slot.result, slot.message, slot.code = nil, true, nil, message, code
  end
end

--- Wait until the slot's job has ended. May yield.
-- @tparam table slot
-- @tparam table driver
-- @tparam ?number until_ when to give up at the latest, for drivers that need a belt besides the engine's deadlines
-- @return the job's result, or nil, message, code
function Hub:settle(slot, driver, until_)
  while not slot.done do
    local waiter, message, code = driver.waiter(self)
    if waiter then
      slot.driver, slot.waiter = driver, waiter
      waiter, message, code = driver.wait(waiter, self, until_)
    end
    if not waiter then
      slot.waiter = nil
      if slot.job then slot.job:cancel() end
      slot.job = nil
      return nil, message, code
    end
  end
  local result, message, code = slot.result, slot.message, slot.code
  slot.job, slot.result = nil, nil
  return result, message, code
end

--- Post and settle in one: wait for a job.
-- @tparam table slot
-- @tparam table driver
-- @tparam ?number until_
-- @param job or nil, message, code
-- @tparam ?string message
-- @tparam ?string code
-- @return the job's result, or nil, message, code
function Hub:await(slot, driver, until_, job, message, code)
  self:post(slot, job, message, code)
  return self:settle(slot, driver, until_)
end

-- The slot has what it waited for.
local function finish(slot, result, message, code)
  slot.done, slot.result, slot.message, slot.code = true, result, message, code
  local waiter = slot.waiter
  if waiter then
    slot.waiter = nil
    slot.driver.wake(waiter)
  end
end

--- Begin to wait for what somebody ends with `finish`.
-- @tparam table slot
function Hub:expect(slot) -- luacheck: ignore self
  slot.waiter, slot.job, slot.done, slot.result = nil, nil, false, nil
end

--- End a slot that waits for no job: for what one coroutine tells another.
-- @tparam table slot
-- @param result
function Hub:finish(slot, result) finish(slot, result) end -- luacheck: ignore self

--- Step the engine, take what ended, wake who waited. Never blocks, never yields.
-- @treturn boolean|nil true, or nil, message, code
function Hub:pump()
  local ok, message, code = self.engine:step()
  for job, result, why, name in self.engine:drain() do
    local slot = job:tag()
    if slot and slot.job == job then finish(slot, result, why, name) end
  end
  return ok, message, code
end

--- Block until the engine has something to do, for hosts without a loop.
-- @treturn boolean false when nothing is under way, so nothing would ever end
function Hub:block()
  if self.engine:pending() == 0 then return false end
  self.engine:wait()
  return true
end

local FAILURES_MAX = 16

--- Remember an error nobody has heard of yet: `rcpt.run` raises the first that is not `seen` by then.
-- @tparam table failure `{error=, seen=false}`
function Hub:fail(failure)
  local list = self.failures
  if #list < FAILURES_MAX then list[#list + 1] = failure end
end

--- The first error nobody has seen; all are forgotten.
-- @treturn ?table
function Hub:failure()
  local list = self.failures
  self.failures = {}
  for i = 1, #list do
    if not list[i].seen then
      list[i].seen = true
      return list[i]
    end
  end
  return nil
end

-- The next line of what was read, and where the rest begins; nil when there is no whole one.
local function cut_line(state)
  local chunk = state.chunk
  local stop = find(chunk, "\n", state.from, true)
  local piece = sub(chunk, state.from, stop and stop - 1)
  local room = LINE_MAX - state.kept
  if #piece > room then
    piece, state.is_cut = sub(piece, 1, room), true
  end
  if #piece > 0 then
    state.n = state.n + 1
    state.pieces[state.n], state.kept = piece, state.kept + #piece
  end
  state.from = stop and stop + 1 or #chunk + 1
  return stop ~= nil
end

local function take_line(state)
  local line, is_cut = concat(state.pieces, "", 1, state.n), state.is_cut
  state.pieces, state.n, state.kept, state.is_cut = {}, 0, 0, false
  return line, is_cut
end

--- The lines of a descriptor, without their ends, waiting for them as everything else here does.
-- Lines over 64 KiB are cut. A last line without an end counts.
-- @tparam number fd of a pipe, a terminal, a socket or a file
-- @tparam ?table driver
-- @treturn function each call gives the next line and whether it was cut; nil at the end, or nil, message, code.
--   May yield
function Hub:lines(fd, driver)
  driver = driver or require "rcpt.drivers".choose()
  local slot, at_end = {}, false
  local state = { chunk = "", from = 1, pieces = {}, n = 0, kept = 0, is_cut = false }
  return function()
    while not at_end do
      if state.from <= #state.chunk and cut_line(state) then return take_line(state) end
      if state.from > #state.chunk then
        local chunk, message, code = self:await(slot, driver, nil, self.engine:read(fd))
        if not chunk then return nil, message, code end
        state.chunk, state.from, at_end = chunk, 1, chunk == ""
      end
    end
    if state.n > 0 or state.is_cut then return take_line(state) end
    return nil
  end
end

return hub
