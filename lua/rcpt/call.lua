--- A question under way in a coroutine of its own.
-- @classmod rcpt.call
local error, setmetatable, traceback, type = error, setmetatable, debug.traceback, type
local xpcall = xpcall
local Call = {}
Call.__index = Call

local function with_traceback(raised)
  if type(raised) ~= "string" then return raised end
  return traceback(raised, 2)
end

local function keep(self, ok, result, message, code)
  if ok then
    self.result, self.message, self.code = result, message, code
  else
    self.failure = { error = result, seen = false }
    self.hub:fail(self.failure)
  end
  self.is_over = true
  local waiting = self.waiting
  self.waiting = nil
  for i = 1, waiting and #waiting or 0 do self.hub:finish(waiting[i], true) end
end

--- Run a question beside the caller.
-- @tparam table probe
-- @tparam function ask answers it
-- @treturn Call
function Call.start(probe, ask)
  local self = setmetatable({ probe = probe, hub = probe.hub, driver = probe.driver, is_over = false }, Call)
  self.driver.spawn(self.hub, function() keep(self, xpcall(ask, with_traceback)) end)
  return self
end

--- Wait for the answer. May yield. Asked again, it gives the same again.
-- @treturn ?table the verdict; or nil, message, code
-- @treturn ?string
-- @treturn ?string
-- @raise what a bug or a hook raised in it, with its traceback
function Call:wait()
  if not self.is_over then
    local slot = { done = false }
    self.waiting = self.waiting or {}
    self.waiting[#self.waiting + 1] = slot
    local ok, message, code = self.hub:settle(slot, self.driver)
    if not ok then return nil, message, code end
  end
  local failure = self.failure
  if failure then
    failure.seen = true
    error(failure.error, 0)
  end
  return self.result, self.message, self.code
end

--- Give it up: its connection is closed, and who waits for it gets nil, message, "cancelled". Twice, or on
-- an answered question, it is nothing.
function Call:cancel()
  if not self.is_over then self.probe:give_up("cancelled") end
end

--- Is there an answer?
-- @treturn boolean
function Call:is_done() return self.is_over end

return Call
