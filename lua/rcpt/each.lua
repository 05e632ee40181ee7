--- Many questions at once: workers that take from a source, and a loop that takes from them.
-- Bounded: what was taken from the source and not yet handed to the loop is at most `concurrency`.
-- @module rcpt.each
local drivers = require "rcpt.drivers"
local hubs = require "rcpt.hub"
local pools = require "rcpt.pool"
local error, format, getmetatable, next = error, string.format, getmetatable, next
local newproxy, setmetatable, type, xpcall = newproxy, setmetatable, type, xpcall -- luacheck: ignore 113
local traceback = debug.traceback
local each = {}

-- The round is what workers and loop share: source, queue of results, who sleeps.
local Round = {}
Round.__index = Round

local function with_traceback(raised)
  if type(raised) ~= "string" then return raised end
  return traceback(raised, 2)
end

-- Wake the loop, where it waits.
local function tell(self)
  local slot = self.loop_slot
  if slot then
    self.loop_slot = nil
    self.hub:finish(slot, true)
  end
end

-- Let one sleeping worker look for the next address.
local function rouse(self)
  local sleepers = self.sleepers
  local slot = sleepers[#sleepers]
  if slot then
    sleepers[#sleepers] = nil
    self.hub:finish(slot, true)
  end
end

local function rouse_all(self)
  while self.sleepers[1] do rouse(self) end
end

local function fail(self, raised)
  if not self.failure then self.failure = { error = raised } end
  self.is_dry = true
  rouse_all(self)
  tell(self)
end

-- The next address, or nil when there is none, or none any more.
local function draw(self)
  self.is_drawing = true
  local ok, address = xpcall(self.source, with_traceback)
  self.is_drawing = false
  if not ok then
    fail(self, address)
  elseif address == nil then
    self.is_dry = true
    rouse_all(self)
    tell(self)
  elseif type(address) ~= "string" then
    fail(self, format("an address must be a string, not a %s: number %d of the source", type(address), self.drawn + 1))
  elseif self.is_stopped then
    return nil
  else
    self.drawn, self.taken = self.drawn + 1, self.taken + 1
    return address
  end
  return nil
end

local function may_draw(self) return not self.is_drawing and self.taken < self.limit end

-- Sleep until an address may be drawn. False when there is nothing left to do.
local function await_turn(self, slot)
  while not self.is_dry and not self.is_stopped do
    if may_draw(self) then return true end
    slot.done, slot.waiter = false, nil
    self.sleepers[#self.sleepers + 1] = slot
    self.hub:settle(slot, self.driver)
  end
  return false
end

local function put(self, address, ok, verdict, message, code)
  if not ok then return fail(self, verdict) end
  local queue = self.queue
  self.tail = self.tail + 1
  if verdict then
    queue[self.tail] = verdict
  else
    queue[self.tail] = { address = address, message = message, code = code, is_none = true }
  end
  return tell(self)
end

local function answer(self, address)
  local probe, message, code = self.open(address)
  if not probe then
    if code == "closed" then self.is_dry = true end
    return put(self, address, true, nil, message, code)
  end
  self.probes[probe], probe.is_patient = true, true
  put(self, address, xpcall(self.ask, with_traceback, probe))
  self.probes[probe] = nil
end

local work

-- One more worker where there is something for it to do.
local function recruit(self)
  if self.workers < self.limit and not self.sleepers[1] and not self.is_dry and may_draw(self) then
    self.workers = self.workers + 1
    self.driver.spawn(self.hub, function() work(self) end)
  else
    rouse(self)
  end
end

function work(self)
  local slot = {}
  while await_turn(self, slot) do
    local address = draw(self)
    if address then
      recruit(self)
      answer(self, address)
    end
  end
  self.workers = self.workers - 1
  tell(self)
end

-- Sessions are kept from the first question to the last answer.
local function hold(self)
  if self.is_holding or self.is_stopped then return end
  self.is_holding = true
  pools.of(self.hub):hold()
end

local function release(self, is_collected)
  if not self.is_holding then return end
  self.is_holding = false
  pools.of(self.hub):release(is_collected)
end

-- Give up what is under way; nobody will take it.
local function stop(self, is_collected)
  if self.is_stopped then return end
  self.is_stopped = true
  for probe in next, self.probes do probe:give_up("cancelled") end
  rouse_all(self)
  release(self, is_collected)
end

-- What the loop gets next; waits for it.
local function take(self)
  while true do
    if self.failure then
      stop(self)
      error(self.failure.error, 0)
    end
    local head = self.head
    if head <= self.tail then
      local item = self.queue[head]
      self.queue[head] = nil
      if head == self.tail then
        self.head, self.tail = 1, 0
      else
        self.head = head + 1
      end
      self.taken = self.taken - 1
      rouse(self)
      return item
    end
    if self.is_stopped or self.is_dry and self.taken == 0 then
      if self.is_holding then pools.of(self.hub):see_in(self.slot, self.driver) end
      release(self)
      return nil
    end
    local slot = self.slot
    slot.done, slot.waiter = false, nil
    self.loop_slot = slot
    local ok, message = self.hub:settle(slot, self.driver)
    if not ok then error(message, 0) end
  end
end

-- A value that stops the round when it is closed or collected.
local function guard_of(round)
  local function collect() stop(round, true) end
  if newproxy then
    local guard = newproxy(true)
    getmetatable(guard).__gc = collect
    return guard
  end
  return setmetatable({}, { __gc = collect, __close = function() stop(round) end })
end

local function source_of(source)
  if type(source) ~= "table" then return source end
  local i = 0
  return function()
    i = i + 1
    return source[i]
  end
end

--- An iterator over the answers to the addresses of a source.
-- @tparam function|table source
-- @tparam table options checked
-- @tparam function open makes a probe of an address, or nil, message, code
-- @tparam function ask answers it
-- @treturn function
-- @treturn nil
-- @treturn nil
-- @treturn ?table closes the round, for Lua 5.4's generic `for`; or nil, message, code where there can be no engine
function each.over(source, options, open, ask)
  local hub, message, code = hubs.get()
  if not hub then return nil, message, code end
  local round = setmetatable({
    source = source_of(source), open = open, ask = ask, hub = hub, driver = drivers.choose(options.driver),
    limit = options.concurrency, workers = 0, drawn = 0, taken = 0, queue = {}, head = 1, tail = 0, sleepers = {},
    probes = setmetatable({}, { __mode = "k" }), slot = {}, is_drawing = false, is_dry = false, is_stopped = false,
    is_holding = false,
  }, Round)
  local guard = guard_of(round)
  local function following()
    hold(round)
    if round.workers == 0 and not round.is_dry and not round.is_stopped then recruit(round) end
    local item = take(round)
    if item and item.is_none then return false, item.message, item.code, item.address end
    if not item then guard = nil end -- until then it lives as long as this function
    return item
  end
  return following, nil, nil, not newproxy and guard or nil
end

return each
