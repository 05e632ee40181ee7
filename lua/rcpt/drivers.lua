--- Which driver waits for the running coroutine.
-- @module rcpt.drivers
local plain = require "rcpt.driver.plain"
local drivers = {}

local BY_NAME = { plain = plain }

--- The driver of that name, or the one that fits where we run.
-- A driver answers `inside() waiter(hub) watch(hub) wait(waiter, hub, until) wake(waiter) spawn(hub, fn) unwatch(hub)`.
-- @tparam ?string name one of `options.DRIVERS`, checked before
-- @treturn table
function drivers.choose(name) return BY_NAME[name or "plain"] end

return drivers
