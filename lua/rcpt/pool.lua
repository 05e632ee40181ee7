--- Sessions with mail hosts, kept between questions, and questions put to them.
-- One pool a process, the hub's. Sessions stand in groups (see `rcpt.group`), one for each host and identity; what
-- bounds them are places: so many for a host, for an identity, in all. Who asks does not know on which session.
--
-- Sessions are left with QUIT when no question is under way any more that might use them, unless somebody holds
-- the pool or the options let them linger.
-- @module rcpt.pool
local core = require "rcpt.core"
local facts = require "rcpt.facts"
local groups = require "rcpt.group"
local question = require "rcpt.question"
local concat, next, setmetatable, sort = table.concat, next, setmetatable, table.sort
local max, now = math.max, core.now
local Pool = {}
Pool.__index = Pool
local pool = {}

-- A question whose session was lost, or had enough, is put again on a new one; that often in all.
local TRIES = 3
-- How long connections that nobody needs any more may take to be greeted before they are cut, seconds.
local SEEN_IN = 2
-- How long "no more descriptors" is believed, seconds.
local BELIEVED = 10

local function new_place(key, option)
  return { key = key, option = option, n = 0, groups = 0, most = nil, believed = 0, is_freed = false,
    starving = {}, head = 1, tail = 0 }
end

--- The pool of a hub.
-- @tparam table hub
-- @treturn Pool
function pool.of(hub)
  local self = hub.pool
  if not self then
    self = setmetatable({
      hub = hub, facts = facts.new(), groups = {}, hosts = {}, identities = {}, all = new_place("", "connections"),
      oldest = nil, newest = nil, freed = {}, missed = {}, users = setmetatable({}, { __mode = "k" }), holds = 0,
      chores = {}, waking = {}, is_going_on = false, awaited = nil,
    }, Pool)
    hub.pool = self
  end
  return self
end

-- ---- groups and places --------------------------------------------------------------------------------------------

local function place_of(list, key, option)
  local place = list[key]
  if not place then
    place = new_place(key, option)
    list[key] = place
  end
  return place
end

local function addresses_key(addresses)
  if #addresses == 1 then return addresses[1] end
  local sorted = {}
  for i = 1, #addresses do sorted[i] = addresses[i] end
  sort(sorted)
  return concat(sorted, " ")
end

--- The group of sessions for a target, as one identity.
-- @tparam table target `{host=, addresses={...}}`
-- @tparam table identity see `rcpt.identity`
-- @tparam table options
-- @treturn Group
function Pool:group(target, identity, options)
  local host = addresses_key(target.addresses) .. " " .. identity.open.port .. " " .. identity.key
  -- Under TLS a session is with a name, in the clear with whoever listens there.
  local key = host .. "\0" .. identity.ways .. "\0" .. (identity.open.mode == "off" and "" or target.host)
  local group = self.groups[key]
  if not group then
    group = groups.new(self, key, target, identity, options, {
      place_of(self.hosts, host, "connections_per_host"),
      place_of(self.identities, identity.key, "connections_per_identity"), self.all,
    })
    self.groups[key] = group
  end
  return group
end

--- A group without sessions in which nobody waits.
function Pool:forget(group)
  if self.groups[group.key] ~= group then return end
  self.groups[group.key] = nil
  group:stop()
  local host, identity = group.places[1], group.places[2]
  host.groups, identity.groups = host.groups - 1, identity.groups - 1
  if host.groups == 0 then self.hosts[host.key] = nil end
  if identity.groups == 0 then self.identities[identity.key] = nil end
end

--- A group that could not open for want of a place is looked at when one is free.
function Pool:starve(group, place) -- luacheck: ignore self
  if group.starves then return end
  group.starves = place
  place.tail = place.tail + 1
  place.starving[place.tail] = group
end

--- A place is free.
function Pool:free(place)
  place.n = place.n - 1
  if place.head <= place.tail and not place.is_freed then
    place.is_freed = true
    self.freed[#self.freed + 1] = place
  end
end

-- Does a group starve at this place? Those that do no more leave the line.
local function is_wanted(place)
  while place.head <= place.tail do
    local group = place.starving[place.head]
    if group:is_hungry() then return true end
    place.starving[place.head], group.starves = nil, nil
    place.head = place.head + 1
  end
  place.head, place.tail = 1, 0
  return false
end

--- Does another group starve for a place that this one takes up?
-- @tparam table group
-- @treturn boolean
function Pool:is_wanted(group) -- luacheck: ignore self
  local places = group.places
  return is_wanted(places[1]) or is_wanted(places[2]) or is_wanted(places[3])
end

-- Let those who starve at a place look again, each once.
local function feed(place)
  for _ = place.head, place.tail do
    local group = place.starving[place.head]
    place.starving[place.head] = nil
    place.head = place.head + 1
    group.starves = nil
    group:serve()
    if group.starves == place then return end
  end
  if place.head > place.tail then place.head, place.tail = 1, 0 end
end

--- Look after the places that became free. Ends each step of a group.
function Pool:go_on()
  if self.is_going_on then return end
  self.is_going_on = true
  local freed = self.freed
  while #freed > 0 do
    local place = freed[#freed]
    freed[#freed] = nil
    place.is_freed = false
    feed(place)
  end
  self.is_going_on = false
end

--- We ran out of descriptors. True where sessions of ours hold some: no more than these for a while.
function Pool:is_short()
  if self.all.n == 0 then return false end
  self.all.most, self.all.believed = max(self.all.n, 1), now() + BELIEVED
  return true
end

-- ---- idle sessions ------------------------------------------------------------------------------------------------

--- An idle session joins the list of all idle ones, the oldest first.
function Pool:rest(lease)
  local last = self.newest
  lease.older, lease.newer = last, nil
  if last then last.newer = lease else self.oldest = lease end
  self.newest = lease
  if not self:is_in_use() then self:wake("tidy", 0) end
end

--- It leaves the list.
function Pool:unrest(lease)
  local older, newer = lease.older, lease.newer
  if older then older.newer = newer else self.oldest = newer end
  if newer then newer.older = older else self.newest = older end
  lease.older, lease.newer = nil, nil
end

local function takes_up(lease, place)
  local places = lease.group.places
  return places[1] == place or places[2] == place or places[3] == place
end

--- End the oldest idle session that takes up a place of this kind.
-- @tparam table place
-- @treturn boolean was there one?
function Pool:evict(place)
  local lease = self.oldest
  while lease and not takes_up(lease, place) do lease = lease.newer end
  if not lease then return false end
  local group = lease.group
  group:close(lease)
  group:expire()
  return true
end

--- Is a question under way that may want a session?
function Pool:is_in_use() return self.holds > 0 or next(self.users) ~= nil end

-- End the idle sessions of an owner, or of all those that need not linger. Seconds until another one need not.
local function dismiss(self, owner)
  local leaving, soonest, time = {}, nil, now()
  local lease = self.oldest
  while lease do
    local left = lease.keep_until - time
    if owner and lease.owner == owner or not owner and left <= 0 then
      leaving[#leaving + 1] = lease
    elseif not soonest or left < soonest then
      soonest = left
    end
    lease = lease.newer
  end
  for i = 1, #leaving do
    local group = leaving[i].group
    group:close(leaving[i])
    group:serve()
  end
  self:go_on()
  return soonest
end

--- Nobody is under way: leave what need not linger, and what is on the way in vain.
function Pool:tidy()
  if self:is_in_use() then return end
  local opening = {}
  for _, group in next, self.groups do
    if #group.openings > 0 then opening[#opening + 1] = group end
  end
  for i = 1, #opening do opening[i]:serve() end
  local soonest = dismiss(self)
  if soonest then self:wake("tidy", soonest) end
end

-- Is a connection on the way?
local function is_opening(self)
  for _, group in next, self.groups do
    if #group.openings > 0 then return true end
  end
  return false
end

--- A question is under way, until `leave`.
-- @tparam table probe kept weakly
function Pool:enter(probe) self.users[probe] = true end

--- @tparam table probe
function Pool:leave(probe)
  self.users[probe] = nil
  if self.all.n > 0 and not self:is_in_use() then self:tidy() end
end

--- Wait a little for connections that are on the way although nobody needs them any more, so that they can be left
-- with QUIT instead of being cut. At once where others go on with the pool. May yield.
-- @tparam table slot
-- @tparam table driver
function Pool:see_in(slot, driver)
  local until_ = now() + SEEN_IN
  while self.holds == 1 and next(self.users) == nil and is_opening(self) do
    local left = until_ - now()
    if left <= 0 then return end
    self.awaited = slot
    local ok = self.hub:await(slot, driver, until_, self.hub.engine:sleep(left))
    self.awaited = nil
    if not ok then return end
  end
end

--- An opening ended: whoever waits for the last of them looks again.
function Pool:opened()
  local slot = self.awaited
  if not slot then return end
  self.awaited = nil
  local clock = slot.job
  slot.job = nil
  if clock then clock:cancel() end
  self.hub:finish(slot, true)
end

--- Hold the pool: sessions stay although no question is under way, until `release`.
function Pool:hold() self.holds = self.holds + 1 end

--- @tparam ?boolean is_collected called by the collector, in the middle of anything: idle sessions are left later
function Pool:release(is_collected)
  self.holds = self.holds - 1
  if self.holds > 0 or self.all.n == 0 then return end
  if is_collected then self:wake("tidy", 0) else self:tidy() end
end

--- An owner goes: its idle sessions are left.
-- @tparam table owner
function Pool:dismiss(owner) dismiss(self, owner) end

-- ---- chores -------------------------------------------------------------------------------------------------------

-- The hub wakes a chore as it wakes a coroutine.
local CHORE = { wake = function(chore)
  local self = chore.pool
  self.chores[chore.name] = nil
  self[chore.name](self)
end }

--- Do something a little later, from the hub. Of two of the same name the earlier one counts. Safe in a finaliser.
-- @tparam string name of a method
-- @tparam number seconds
function Pool:wake(name, seconds)
  local time, chore = now() + seconds, self.chores[name]
  if chore and chore.due <= time then return end
  local job = self.hub.engine:sleep(seconds)
  if not job then return end
  if chore then
    chore.waiter = nil
    chore.job:cancel()
  end
  chore = { pool = self, name = name, due = time }
  self.hub:post(chore, job)
  chore.driver, chore.waiter = CHORE, chore
  self.chores[name] = chore
end

--- A lease was dropped without being given back. Called by the collector.
-- @tparam table place
function Pool:miss(place)
  place.is_free = true
  self.missed[#self.missed + 1] = place
  self:wake("recover", 0)
end

--- Give back the places of dropped leases.
function Pool:recover()
  local missed = self.missed
  self.missed = {}
  for i = 1, #missed do
    missed[i].group:vacate()             -- what was asked on it stays counted until the group is empty
    missed[i].group:serve()
  end
  self:go_on()
end

-- ---- asking -------------------------------------------------------------------------------------------------------

--- Ask one host. May yield.
-- @tparam table probe who asks; waits and is cancelled as the probe
-- @tparam table target `{host=, addresses={...}}`
-- @tparam table identity who we say we are, see `rcpt.identity`
-- @tparam ?string recipient nil: only greet
-- @tparam number until_ when to give up
-- @treturn ?table the evidence: `{host=, ip=, port=, source=, stage=, error=, replies={...}, transcript=, tls=,
--   vrfy=}`; or nil, message, code
-- @treturn ?table|boolean the reply to RCPT, or to MAIL where that was refused, or to VRFY where that decides;
--   false where none came
function pool.ask(probe, target, identity, recipient, until_)
  local self = pool.of(probe.hub)
  local evidence, reply
  for try = 1, TRIES do
    local group = self:group(target, identity, probe.options)
    local lease, message, code = group:take(probe, until_, try > 1)
    if lease == nil then return nil, message, code end
    if probe.until_ > until_ then until_ = probe.until_ end
    local is_last = try == TRIES or now() >= until_
    if not lease then
      evidence, reply = question.without(group, message), false
      break
    end
    local is_again
    evidence, reply, is_again = question.put(probe, lease, recipient, until_)
    if not evidence then return nil, reply, is_again end
    if not is_again or is_last then break end
  end
  evidence.host = target.host
  return evidence, reply
end

return pool
