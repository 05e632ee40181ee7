--- The sessions with one host under one identity: who waits for one, which are being opened, which are idle.
-- Everything here happens at once, nothing yields but `take`; what an opening brings is handed to the first who
-- waits by the hub itself. A group never has more sessions than three counts of places allow: the host's, the
-- identity's, the process's.
-- @module rcpt.group
local core = require "rcpt.core"
local leases = require "rcpt.lease"
local queue = require "rcpt.queue"
local huge, max, remove, setmetatable = math.huge, math.max, table.remove, setmetatable
local now = core.now
local Group = {}
Group.__index = Group
local group = {}

-- How long a host's or our own system's "no more than these" is believed.
local BELIEVED = 60
-- How often one who was put aside is looked at, seconds.
local ASIDE = 5

-- For a few questions that will soon be answered on the sessions there are, no other one is opened: so many for each
-- session, so many seconds.
local FEW = 20
local SOON = 1

--- @tparam table pool
-- @tparam string key
-- @tparam table target `{host=, addresses=}`
-- @tparam table identity see `rcpt.identity`
-- @tparam table options of the first who asks
-- @tparam {table,...} places three counts: host, identity, all
-- @treturn Group
function group.new(pool, key, target, identity, options, places)
  local self = setmetatable({
    pool = pool, key = key, host = target.host, addresses = target.addresses, open = identity.open, options = options,
    places = places, facts = pool.facts:of(places[1].key), waiting = queue.new(), fresh = queue.new(), openings = {},
    idle = {}, n = 0, asked = 0, pace = nil, latest = 0, lives_since = 0, starves = nil, look = nil,
  }, Group)
  for i = 1, #places do places[i].groups = places[i].groups + 1 end
  return self
end

--- Keep something that was learnt of the host.
function Group:learn(name, value) self.facts = self.pool.facts:learn(self.places[1].key, name, value) end

-- ---- places -------------------------------------------------------------------------------------------------------

local function occupy(self)
  self.n = self.n + 1
  for i = 1, #self.places do self.places[i].n = self.places[i].n + 1 end
end

--- A place is free again; who else waits for one is looked at later.
function Group:vacate()
  self.n = self.n - 1
  for i = 1, #self.places do self.pool:free(self.places[i]) end
end

-- Is a place left, by the caller's options and by what the host, or our own system, let us have lately?
local function has_room(self, place)
  local most = self.options[place.option]
  local lately = place == self.places[1] and self.facts or place
  if lately.most and lately.most < most and now() < lately.believed then most = lately.most end
  return place.n < most
end

-- May one more be opened? Where not, the group starves until a place is free.
local function may_open(self)
  for i = 1, #self.places do
    local place = self.places[i]
    if not has_room(self, place) and not (self.pool:evict(place) and has_room(self, place)) then
      self.pool:starve(self, place)
      return false
    end
  end
  return true
end

-- Will the sessions that stand have answered all who wait in a moment?
local function is_soon_served(self)
  local waiting, live, options = self.waiting, self.n - #self.openings, self.options
  if live == 0 or waiting.n > FEW * live or not self.pace or waiting.n / live * self.pace > SOON then return false end
  local limit = self.facts.limit
  local each = limit and limit < options.session_recipients and limit or options.session_recipients
  return waiting.n <= live * each - self.asked and now() - waiting:peek().since < SOON
end

--- Do more wait than sessions are on the way?
-- @treturn boolean
function Group:is_hungry()
  local waiting = self.waiting.n
  if waiting > 0 and is_soon_served(self) then
    self:look_again()
    waiting = 0
  end
  return waiting + self.fresh.n > #self.openings
end

-- The hub wakes a group that waited for a moment.
local LOOK = { wake = function(slot)
  local self = slot.group
  self.look = nil
  self:serve()
  self.pool:go_on()
end }

--- What was hoped for may not come: look after a moment.
function Group:look_again()
  if self.look then return end
  local slot, hub = { group = self }, self.pool.hub
  hub:post(slot, hub.engine:sleep(SOON))
  if slot.done then return end
  slot.driver, slot.waiter, self.look = LOOK, slot, slot
end

--- Nothing is under way here any more.
function Group:stop()
  local slot = self.look
  if not slot then return end
  self.look, slot.waiter = nil, nil
  slot.job:cancel()
end

-- ---- openings -----------------------------------------------------------------------------------------------------

-- The hub wakes an opening as it wakes a coroutine; nothing is resumed.
local ARRIVAL = { wake = function(opening) opening.group:arrived(opening) end }

local function tls_mode(self)
  local mode = self.open.mode
  return mode == "may" and self.facts.is_clear and "off" or mode
end

-- Open one more. True, or nil, message, code. It ends with the last of those who wait at the latest.
local function begin(self)
  local open, hub = self.open, self.pool.hub
  local left = self.latest - now()
  open.to, open.name, open.tls, open.deadline = self.addresses, self.host, tls_mode(self), left > 0 and left or 0
  local job, message, code = hub.engine:open(open)
  if not job then return nil, message, code end
  local openings = self.openings
  local at = #openings + 1
  local opening = { group = self, at = at, until_ = self.latest, is_over = false, tls = open.tls, covers = nil,
    job = nil, done = false, result = nil, message = nil, code = nil, driver = nil, waiter = nil }
  hub:post(opening, job)
  opening.driver, opening.waiter = ARRIVAL, opening
  openings[at] = opening
  occupy(self)
  return true
end

-- It leaves the list, whose order means nothing.
local function take_out(openings, opening)
  local n = #openings
  local last = openings[n]
  openings[opening.at], last.at = last, opening.at
  openings[n] = nil
end

-- Nobody waits for it any more.
local function abandon(self, opening)
  take_out(self.openings, opening)
  opening.is_over = true
  opening.job:cancel()
  self:vacate()
end

-- ---- who waits ----------------------------------------------------------------------------------------------------

-- The hub wakes a request whose time is over.
local CLOCK = { wake = function(request) request.group:time_over(request) end }

-- A clock of its own, where nothing else ends its wait in time.
local function arm(self, request)
  local left, hub = request.until_ - now(), self.pool.hub
  hub:post(request, hub.engine:sleep(left > 0 and left or 0))
  request.driver, request.waiter = CLOCK, request
  if request.done then hub:finish(request) end      -- no clock could be had: then no time
end

local function end_wait(self, request)
  local clock = request.job
  request.is_waiting = false
  if clock then
    request.job, request.waiter = nil, nil
    clock:cancel()
  end
  self.pool.hub:finish(request.probe, true)
end

local function hand(self, request, lease)
  lease:lend(request.probe)
  request.lease = lease
  end_wait(self, request)
end

-- The next who waits; those that were given up end their wait by themselves.
local function next_of(line)
  local request
  repeat request = line:pop() until not request or not request.probe.gone
  return request
end

local function next_waiting(self) return next_of(self.fresh) or next_of(self.waiting) end

-- All who wait and whose time is over by then get this end.
local function fail(self, by, session, message, code)
  local kept = {}
  for request in next_waiting, self do
    if request.until_ > by then
      kept[#kept + 1] = request
    else
      request.failed, request.message, request.code = session, message, code
      end_wait(self, request)
    end
  end
  for i = 1, #kept do kept[i].queue:push(kept[i], kept[i].domain) end
end

-- The newest idle session on which more may be asked.
local function take_idle(self)
  local idle = self.idle
  while #idle > 0 do
    local lease = idle[#idle]
    local is_spent = lease:is_spent(self.options)
    self:unrest(lease)
    if not is_spent then return lease end
    self:close(lease)
  end
  return nil
end

--- It is idle no more.
-- @tparam table lease
function Group:unrest(lease)
  local idle = self.idle
  local at = #idle
  while idle[at] ~= lease do at = at - 1 end   -- the newest is the one looked for most often
  remove(idle, at)
  self.pool:unrest(lease)
  lease.is_idle = false
end

-- ---- what goes on -------------------------------------------------------------------------------------------------

-- Are openings too many for good? Where questions were answered more may come, and a connection is not dropped
-- half-way that will be wanted in a moment.
local function is_vain(self)
  return self.n == #self.openings and not self.pace or not self.pool:is_in_use() or self.pool:is_wanted(self)
end

--- Without sessions and without anybody who waits it is forgotten. Whoever asks next makes a new one.
function Group:expire()
  if self.n == 0 and self.waiting.n + self.fresh.n == 0 then self.pool:forget(self) end
end

--- Bring sessions and those who wait together; open what is missing, give up what is too much.
function Group:serve()
  local waiting, fresh, openings = self.waiting, self.fresh, self.openings
  while waiting.n > 0 do
    local lease = take_idle(self)
    if not lease then break end
    local request = next_of(waiting)
    if not request then
      self:rest(lease)
      break
    end
    hand(self, request, lease)
  end
  while self:is_hungry() and may_open(self) do
    local ok, message, code = begin(self)
    if not ok then fail(self, huge, nil, message, code) end
  end
  if #openings > waiting.n + fresh.n and is_vain(self) then
    while #openings > waiting.n + fresh.n do abandon(self, openings[#openings]) end
  end
  self:expire()
end

-- Why an opening brought nothing decides who hears of it.
local function refused(self, session, opening)
  local seen = session:evidence()
  if seen.err == "timeout" and now() >= opening.until_ then
    fail(self, opening.until_, session)        -- whoever has more time than it had tries again
  elseif opening.tls == "may" and (seen.err == "tls" or seen.err and seen.stage == "starttls") then
    self:learn("is_clear", true)               -- and again in the clear
    self:learn("why", seen.tls_why or seen.err)
  elseif self.open.greeting_only and not seen.err then
    fail(self, huge, session)             -- one greeting tells all who wait
  elseif seen.err == "nofile" and self.pool:is_short() then
    return                                     -- until a descriptor is free
  elseif self.n > 0 then                       -- those that stand, or are still under way, have to do
    self:learn("most", max(self.places[1].n, 1))
    self:learn("believed", now() + BELIEVED)
  else
    fail(self, huge, session)
  end
end

--- An opening has ended. Called by the hub.
-- @tparam table opening
function Group:arrived(opening)
  local session, message, code = opening.result, opening.message, opening.code
  opening.result, opening.job = nil, nil
  if opening.is_over then
    if session then session:quit() end
    return
  end
  take_out(self.openings, opening)
  if session and session:ready() then
    if self.n - #self.openings == 1 then self.lives_since = now() end
    local lease = leases.new(self, session)
    if self.open.transcript then lease.opening = session:evidence().transcript end
    local request = next_waiting(self)
    if request then hand(self, request, lease) else self:rest(lease) end
  else
    self:vacate()
    if session then refused(self, session, opening) else fail(self, huge, nil, message, code) end
  end
  local request = opening.covers
  if request and request.is_waiting then arm(self, request) end
  self:serve()
  self.pool:go_on()
  self.pool:opened()
end

--- Keep a session for the next question, unless others need its place now.
-- @tparam table lease
function Group:rest(lease)
  if self.pool:is_wanted(self) then return self:close(lease) end
  local time = now()
  local keep_until = time + lease.options.linger
  if keep_until > lease.keep_until then lease.keep_until = keep_until end
  lease.is_idle, lease.used = true, time
  self.idle[#self.idle + 1] = lease
  self.pool:rest(lease)
end

--- End a session. Who calls this sees to the group afterwards.
-- @tparam table lease
function Group:close(lease)
  if lease.is_over then return end
  if lease.is_idle then self:unrest(lease) end
  lease.is_over, lease.place.is_free = true, true
  self.asked = self.asked - lease.asked
  lease.session:quit()
  self:vacate()
end

--- Give a session back: to the next who waits, to rest, or to its end.
-- @tparam table lease
-- @tparam ?boolean is_bad nothing more shall be asked on it
function Group:give_back(lease, is_bad)
  local time = now()
  local took = time - lease.taken
  lease.used = time
  self.pace = self.pace and self.pace + (took - self.pace) / 8 or took
  if is_bad or lease:is_spent(lease.options) or self.fresh.n > #self.openings then
    self:close(lease)
  else
    local request = next_of(self.waiting)
    if request then hand(self, request, lease) else self:rest(lease) end
  end
  self:serve()
  self.pool:go_on()
end

-- What there is to tell when the time is over and no session came.
local function late(self)
  local is_dialling = #self.openings > 0 and self.n == #self.openings
  return { ip = self.addresses[1], port = self.open.port, stage = "connect", replies = {},
    err = is_dialling and "timeout" or "connections" }
end

local function leave(request)
  request.is_waiting = false
  request.queue:remove(request)
end

--- A request's time is over. Called by the hub.
-- @tparam table request
function Group:time_over(request)
  request.job = nil
  if not request.is_waiting then return end
  if request.probe.is_patient and self.n > #self.openings then   -- put aside while the host answers others
    request.until_ = now() + ASIDE
    return arm(self, request)
  end
  request.seen = late(self)
  leave(request)
  self.pool.hub:finish(request.probe, true)
  self:serve()
  self.pool:go_on()
end

-- Its opening ends no later than the request does: no clock of its own is needed.
local function is_covered(self, request, openings_before)
  local opening = self.openings[#self.openings]
  if #self.openings <= openings_before or opening.until_ > request.until_ then return false end
  opening.covers = request
  return true
end

-- Wait until somebody ends it. May yield. The end is in the request, or nil, message, code.
local function wait(self, request)
  local pool, probe = self.pool, request.probe
  local openings = #self.openings
  pool.hub:expect(probe)
  request.queue:push(request, request.domain)
  self:serve()
  if request.is_waiting and not is_covered(self, request, openings) then arm(self, request) end
  pool:go_on()
  probe.is_queued = true
  local ok, message, code = pool.hub:settle(probe, probe.driver, request.until_)
  probe.is_queued = false
  return ok, message, code
end

--- Get a session to ask on; it is the caller's alone until `give_back`. May yield.
-- @tparam table probe who waits
-- @tparam number until_
-- @tparam boolean is_fresh one on which nothing was asked
-- @treturn ?table|boolean the lease; false where none can be had; or nil, message, code
-- @treturn ?table for false: the evidence
-- @treturn ?string
function Group:take(probe, until_, is_fresh)
  local waiting, fresh = self.waiting, self.fresh
  self.options = probe.options
  if until_ > self.latest or waiting.n + fresh.n == 0 then self.latest = until_ end
  if not is_fresh and waiting.n == 0 then
    local lease = take_idle(self)
    if lease then
      lease:lend(probe)
      return lease
    end
  end
  local request = { group = self, probe = probe, until_ = until_, is_waiting = true,
    since = now(), queue = is_fresh and fresh or waiting, domain = probe.parsed.domain }
  local ok, message, code = wait(self, request)
  local lease, failed = request.lease, request.failed
  if request.is_waiting then                   -- given up, or the driver could not wait
    leave(request)
    if request.job then request.job:cancel() end
    self:serve()
    self.pool:go_on()
  elseif ok and not probe.gone then
    if lease then
      if probe.is_patient then probe.until_ = until_ + now() - max(request.since, self.lives_since) end
      return lease
    end
    local seen = failed and failed:evidence() or request.seen
    if seen then return false, seen end
    return nil, request.message, request.code
  elseif lease then
    self:give_back(lease)
  end
  if probe.gone then return probe:gone_as() end
  return nil, message, code
end

return group
