-- The journal of a mail world: one line an event, in the order things happened.
--
-- Events are held in memory until flush(), which the loop calls at the end of each turn: a
-- thousand sessions cost one write a turn, and nobody who waits for an event waits longer for it.
-- It is written to a file, read by spec/support/world.lua; nothing is ever taken out of it.
-- SPDX-License-Identifier: MIT
-- luacheck: std lua54
local cqueues = require "cqueues"
local condition = require "cqueues.condition"

local journal = {}
journal.__index = journal

local function escape(value)
  return (tostring(value):gsub("[%c\\\127-\255]", function(c)
    return ("\\%03d"):format(c:byte())
  end))
end

--- Open the journal at `path`; times in it are seconds from now.
function journal.open(path)
  local file = assert(io.open(path, "wb"))
  file:setvbuf("full", 65536)
  return setmetatable({
    file = file, start = cqueues.monotime(), n = 0, unwritten = false, grown = condition.new(),
  }, journal)
end

--- Seconds since the world began.
function journal:now()
  return cqueues.monotime() - self.start
end

--- Add an event: a flat table with a `kind`.
function journal:add(event)
  local fields = { ("t=%.6f"):format(self:now()) }
  for key, value in pairs(event) do
    fields[#fields + 1] = key .. "=" .. escape(value)
  end
  self.file:write(table.concat(fields, "\t"), "\n")
  self.n = self.n + 1
  self.unwritten = true
  self.grown:signal()
end

--- Hand what was added to the reader of the file.
function journal:flush()
  if self.unwritten then
    self.file:flush()
    self.unwritten = false
  end
end

--- Wait (inside the loop) until there are more than `n` events, or `seconds` are over.
function journal:wait(n, seconds)
  local deadline = cqueues.monotime() + seconds
  while self.n <= n do
    local left = deadline - cqueues.monotime()
    if left <= 0 then
      return
    end
    self.grown:wait(left)
  end
end

return journal
