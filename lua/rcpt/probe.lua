--- The record of one asking: what is asked, what was seen, and who waits for it.
-- Made at the door of `validate`, handed from step to step. It is itself the slot (see `rcpt.hub`) of the one thing it
-- waits for; a second thing waited for beside it has a slot of its own.
-- @module rcpt.probe
local core = require "rcpt.core"
local setmetatable = setmetatable
local now = core.now
local Probe = {}
Probe.__index = Probe
local probe = {}

local GONE = { cancelled = "the question was given up", closed = "the validator is closed" }

--- @tparam string address
-- @tparam table options checked
-- @tparam table hub
-- @tparam table driver
-- @tparam table resolver
-- @tparam table owner the validator
-- @treturn Probe
function probe.new(address, options, hub, driver, resolver, owner)
  local began = now()
  return setmetatable({
    address = address, options = options, hub = hub, driver = driver, resolver = resolver, owner = owner,
    began = began, until_ = began + options.deadline, stage = "syntax",
    -- filled on the way, named here so that the table is made once in its size
    parsed = false, mx = false, evidence = false, reason = false, diagnosis = nil, entry = nil, reply = nil,
    is_unsure = false, is_patient = false, identity = false, hook = nil, is_queued = false,
    gone = false, job = nil, done = false, result = nil, message = nil, code = nil, waiter = nil,
  }, Probe)
end

--- The answer is found.
-- @tparam string reason
-- @tparam ?string diagnosis
function Probe:conclude(reason, diagnosis)
  self.reason, self.diagnosis = reason, diagnosis
end

--- Seconds one step may take: its own patience, or what is left of the whole.
-- @tparam string name of the option
-- @treturn number
function Probe:patience(name)
  local own, left = self.options[name], self.until_ - now()
  if left < own then own = left end
  return own > 0 and own or 0
end

--- @treturn boolean is the time over?
function Probe:is_late() return now() >= self.until_ end

--- Wait for a job. May yield.
-- @param job or nil, message, code, as the core gives it
-- @tparam ?string message
-- @tparam ?string code
-- @return its result, or nil, message, code
function Probe:await(job, message, code)
  self:post(job, message, code)
  return self:settle()
end

--- Begin to wait for a job.
function Probe:post(job, message, code)
  if self.gone and job then job:cancel() end
  self.hub:post(self, job, message, code)
end

local function outcome(self, result, message, code)
  if not self.gone then return result, message, code end
  return nil, GONE[self.gone], self.gone
end

--- Wait for what was posted. May yield.
function Probe:settle()
  return outcome(self, self.hub:settle(self, self.driver, self.until_))
end

--- The same for a second job beside the first.
function Probe:post_beside(job, message, code)
  local beside = self.beside
  if not beside then
    beside = {}
    self.beside = beside
  end
  if self.gone and job then job:cancel() end
  self.hub:post(beside, job, message, code)
end

function Probe:settle_beside()
  return outcome(self, self.hub:settle(self.beside, self.driver, self.until_))
end

--- Give the second job up.
function Probe:forget_beside()
  local job = self.beside.job
  if job then job:cancel() end
  self.beside = nil
end

--- Give the question up: what it waits for is cancelled, its next wait answers nil, message, code.
-- @tparam string code "cancelled" or "closed"
function Probe:give_up(code)
  if self.gone then return end
  self.gone = code
  if self.job then
    self.job:cancel()
  elseif self.is_queued then
    self.hub:finish(self)
  end
  local beside = self.beside
  if beside and beside.job then beside.job:cancel() end
end

--- Why it was given up.
-- @treturn nil
-- @treturn string message
-- @treturn string code
function Probe:gone_as() return nil, GONE[self.gone], self.gone end

return probe
