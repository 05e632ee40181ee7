--- A waiting line that is fair: first come, first served within a key, and the keys take turns.
-- Whoever waits is a table; it may leave from anywhere in the line. Each step costs the same however long the line is.
-- @module rcpt.queue
local setmetatable = setmetatable
local Queue = {}
Queue.__index = Queue
local queue = {}

--- An empty queue. Its field `n` says how many wait.
-- @treturn Queue
function queue.new() return setmetatable({ n = 0, lines = {}, turn = nil }, Queue) end

-- The line of a key, at the end of the ring of turns: just before the one whose turn it is.
local function line_of(self, key)
  local line = self.lines[key]
  if line then return line end
  line = { key = key }
  self.lines[key] = line
  local turn = self.turn
  if turn then
    line.next, line.prior = turn, turn.prior
    line.prior.next, turn.prior = line, line
  else
    line.next, line.prior = line, line
    self.turn = line
  end
  return line
end

local function drop_line(self, line)
  self.lines[line.key] = nil
  if line.next == line then
    self.turn = nil
    return
  end
  line.prior.next, line.next.prior = line.next, line.prior
  if self.turn == line then self.turn = line.next end
end

--- Let an item wait. It may wait in one queue at a time.
-- @tparam table item its fields line, ahead and behind are the queue's
-- @tparam string key
function Queue:push(item, key)
  local line = line_of(self, key)
  local last = line.last
  item.line, item.ahead, item.behind = line, last, nil
  if last then last.behind = item else line.first = item end
  line.last = item
  self.n = self.n + 1
end

--- Let an item leave, wherever it stands.
-- @tparam table item
-- @treturn boolean did it wait here?
function Queue:remove(item)
  local line = item.line
  if not line or self.lines[line.key] ~= line then return false end
  local ahead, behind = item.ahead, item.behind
  if ahead then ahead.behind = behind else line.first = behind end
  if behind then behind.ahead = ahead else line.last = ahead end
  item.line, item.ahead, item.behind = nil, nil, nil
  self.n = self.n - 1
  if not line.first then drop_line(self, line) end
  return true
end

--- Whose turn it is, left where it is.
-- @treturn ?table nil when nobody waits
function Queue:peek() return self.turn and self.turn.first end

--- Whose turn it is.
-- @treturn ?table nil when nobody waits
function Queue:pop()
  local line = self.turn
  if not line then return nil end
  local item = line.first
  self.turn = line.next
  self:remove(item)
  return item
end

return queue
