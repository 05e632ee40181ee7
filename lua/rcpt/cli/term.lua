--- What standard output is: a terminal or not, how wide, and whether it wants colour.
-- Lua cannot ask the system, so `test` and `stty` are asked; once a run, and not for JSON.
-- @module rcpt.cli.term
local execute, getenv, popen, tonumber = os.execute, os.getenv, io.popen, tonumber
local term = {}

local NARROW, USUAL = 40, 80

local function is_terminal()
  local ok = execute("test -t 1")
  return ok == true or ok == 0 -- 5.4 and 5.1
end

local function width_told()
  local columns = tonumber((getenv("COLUMNS") or ""):match("^%d+$"))
  return columns and columns > 0 and columns or nil
end

local function width_asked()
  local pipe = popen("stty size </dev/tty 2>/dev/null", "r")
  if not pipe then return nil end
  local columns = tonumber((pipe:read("*l") or ""):match("^%d+ (%d+)$"))
  pipe:close()
  return columns and columns > 0 and columns or nil
end

--- @tparam ?table given `colour = false` never to colour
-- @treturn table `{ width = columns or nil (no limit), colour = boolean }`
function term.describe(given)
  local terminal = is_terminal()
  local width = width_told() or (terminal and (width_asked() or USUAL)) or nil
  if width and width < NARROW then width = NARROW end
  local unwanted = (getenv("NO_COLOR") or "") ~= "" or getenv("TERM") == "dumb"
  return { width = width, colour = terminal and not unwanted and not (given and given.colour == false) }
end

return term
