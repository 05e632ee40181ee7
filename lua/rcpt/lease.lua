--- One kept session, and how much more may be asked on it.
-- It belongs to whoever asks on it; between two questions it is idle and its group's. One that is dropped without being
-- given back (its coroutine was collected) gives its place back by itself.
-- @module rcpt.lease
local core = require "rcpt.core"
local getmetatable, newproxy, setmetatable = getmetatable, newproxy, setmetatable -- luacheck: ignore 113
local now = core.now
local Lease = {}
Lease.__index = Lease
local lease = {}

-- What a collected lease leaves behind. It may run in the middle of anything, so it only tells.
local function collected(place)
  if not place.is_free then place.group.pool:miss(place) end
end
local PLACE = { __gc = collected }

-- On 5.1 tables have no finalisers, a proxy has.
local function watch(place)
  if not newproxy then return setmetatable(place, PLACE) end
  local proxy = newproxy(true)
  getmetatable(proxy).__gc = function() collected(place) end
  return proxy
end

--- @tparam table group its own, see `rcpt.group`
-- @param session of the core's, open and ready
-- @treturn Lease
function lease.new(group, session)
  local place = { group = group, is_free = false }
  return setmetatable({
    group = group, session = session, place = place, guard = watch(place),
    born = now(), used = 0, taken = 0, keep_until = 0, asked = 0, refused = 0, is_over = false, is_idle = false,
    options = group.options, owner = nil, older = nil, newer = nil, opening = nil, said = nil,
  }, Lease)
end

--- Is it over, or was enough asked on it?
-- @tparam table options of who asks next, or asked last
-- @treturn boolean
function Lease:is_spent(options)
  local asked, limit = self.asked, self.group.facts.limit
  if asked >= options.session_recipients or limit and asked >= limit or self.refused >= options.session_refusals then
    return true
  end
  if not self.session:ready() then return true end
  local time = now()
  return time - self.born >= options.session_age or self.is_idle and time - self.used >= options.session_idle
end

--- Somebody asks on it now.
-- @tparam table probe
function Lease:lend(probe)
  self.is_idle, self.taken, self.options, self.owner = false, now(), probe.options, probe.owner
end

--- A question is put.
function Lease:ask()
  self.asked, self.said = self.asked + 1, nil
  self.group.asked = self.group.asked + 1
end

--- It was not said after all.
function Lease:unask()
  self.asked = self.asked - 1
  self.group.asked = self.group.asked - 1
end

--- Count an answer.
-- @tparam table reply
function Lease:count(reply)
  if reply.code >= 400 then self.refused = self.refused + 1 end
end

return lease
