--- Standard input, line by line, and what was wrong with some of the lines.
-- Read through the engine: a line is there as soon as it was written, probes go on meanwhile, a
-- line may hold NUL (LuaJIT's own io.lines cuts it there), and only the present line is in memory.
-- @module rcpt.cli.lines
local rcpt = require "rcpt"
local out = require "rcpt.cli.out"
local find, format, sub = string.find, string.format, string.sub
local setmetatable = setmetatable
local lines = {}

local STDIN = 0
local TOLD = 10 -- complaints in full; beyond that only their number

local function refuse(message)
  out.stop(out.code.failed, "standard input: " .. message)
end

--- Every line, blank ones too, without LF or CR LF.
-- @treturn function iterator of line, number, is_cut (a line over 64 KiB is). May yield
-- @raise a stop with exit code 3 where standard input cannot be read
function lines.raw()
  local read, number = rcpt.lines(STDIN), 0
  return function()
    local line, is_cut, code = read()
    if line == nil then
      if code then refuse(is_cut) end
      return nil
    end
    number = number + 1
    if sub(line, -1) == "\r" then line = sub(line, 1, -2) end
    return line, number, is_cut
  end
end

--- The addresses of a command: its arguments, or with "-" the lines of standard input that are not blank.
-- A "#" begins no comment: it may begin an address (RFC 5322 3.2.3).
-- @tparam {string,...} given the arguments
-- @treturn function iterator
-- @treturn boolean is it one address, by argument?
-- @raise a stop with exit code 2 where there is none, or "-" beside others
function lines.addresses(given)
  if #given == 0 then out.usage("an address is missing; `-` reads them from standard input") end
  for i = 1, #given do
    if given[i] == "-" and #given > 1 then out.usage("`-` stands alone, without other addresses") end
  end
  if given[1] ~= "-" then
    local i = 0
    return function()
      i = i + 1
      return given[i]
    end, #given == 1
  end
  local read = lines.raw()
  return function()
    local line
    repeat line = read() until line == nil or find(line, "[^ \t]")
    return line
  end, false
end

local complaints = {}
complaints.__index = complaints

--- A collector of complaints about lines.
-- @tparam string who the command
-- @treturn table with `add(number, message)` and `code()`
function lines.complaints(who)
  return setmetatable({ who = who, n = 0 }, complaints)
end

function complaints:add(number, message)
  self.n = self.n + 1
  if self.n <= TOLD then out.tell(format("%s: line %d: %s", self.who, number, message)) end
end

--- The exit code of all that was read; tells how many complaints there were when not all were told.
function complaints:code()
  if self.n > TOLD then out.tell(format("%s: %d lines could not be read in all", self.who, self.n)) end
  return self.n == 0 and out.code.fine or out.code.usage
end

return lines
