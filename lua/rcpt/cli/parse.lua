--- `rcpt parse`: is this the form of an address? Nothing is asked of anybody.
-- @module rcpt.cli.parse
local rcpt = require "rcpt"
local card = require "rcpt.cli.card"
local color = require "rcpt.cli.color"
local json = require "rcpt.cli.json"
local lines = require "rcpt.cli.lines"
local options = require "rcpt.cli.options"
local out = require "rcpt.cli.out"
local printer = require "rcpt.cli.table"
local term = require "rcpt.cli.term"
local error, ipairs, pcall, type = error, ipairs, pcall, type
local parse = {
  summary = "tell whether addresses are well formed, and their canonical form",
  notes = "With `-` addresses are read from standard input, one a line. With --json-lines each line "
    .. "there is a JSON string, and each line of the answer a JSON object.",
  argument = "an address; or `-`: standard input, one a line",
  groups = { "lines", "show", "liberties" },
}

local TOO_LONG = "longer than 64 KiB"

-- The members of a line of JSON, in order; absent ones are null.
local SHAPE = { "address", "valid", "reason", "position", "normalized", "ascii", "local", "domain", whole = true }

local COLUMNS = {
  { name = "address", weight = 1, cut = "middle" },
  { name = "form", width = 7 },
  { name = "canonical form, or what is wrong", weight = 1, cut = "middle" },
}

local function pick(found)
  local row = {}
  for _, name in ipairs(SHAPE) do row[name] = found[name] end
  return row
end

local function form(found)
  return found.valid and "valid" or "invalid"
end

local function fault(found)
  return ("%s at byte %d"):format(found.reason, found.position or 0)
end

-- The parser with the options settled; a first call finds out whether rcpt takes them.
local function parser_of(settings, reword)
  local ok, raised = pcall(rcpt.parse, "a@b.example", settings)
  if not ok then
    if not options.is_about_option(raised) then error(raised, 0) end
    out.usage("%s", reword(raised))
  end
  return function(address) return rcpt.parse(address, settings) end
end

local function answer_json_lines(ask)
  local bad = lines.complaints("parse")
  for line, number, is_cut in lines.raw() do
    local address, message = json.decode(line)
    if type(address) == "string" and not is_cut then
      out.line(json.encode(pick(ask(address)), SHAPE))
    else
      message = is_cut and TOO_LONG or "not a JSON string" .. (message and ": " .. message or "")
      bad:add(number, message)
      out.line(json.encode({ error = message }, SHAPE))
    end
  end
  return bad:code()
end

local function answer_json(ask, addresses)
  for address in addresses do out.line(json.encode(pick(ask(address)), SHAPE)) end
end

local function answer_table(ask, addresses, view, paint)
  local row = printer.new(COLUMNS, view.width, paint)
  out.line(row(printer.head(COLUMNS)))
  for address in addresses do
    local found = ask(address)
    out.line(row({ address, form(found), found.valid and found.normalized or fault(found) }, form(found)))
  end
end

local function answer_card(found, view, paint)
  local facts = { { "form", form(found) .. (found.valid and "" or ": " .. fault(found)), form(found) } }
  for _, name in ipairs { "normalized", "ascii", "local", "domain" } do
    if found[name] then facts[#facts + 1] = { name, found[name] } end
  end
  for _, line in ipairs(card.lines(found.address, facts, view.width, paint)) do out.line(line) end
end

--- @tparam {string,...} given addresses, or "-"
-- @tparam table settings of the parser
-- @tparam table kept options of the command
-- @tparam function(message) reword
-- @treturn int the exit code
function parse.run(given, settings, kept, reword)
  local ask = parser_of(settings, reword)
  if kept.json_lines then
    if #given > 1 or (given[1] and given[1] ~= "-") then
      out.usage("--json-lines reads standard input; it takes no address")
    end
    return answer_json_lines(ask)
  end
  local addresses, is_single = lines.addresses(given)
  if kept.json then
    answer_json(ask, addresses)
    return out.code.fine
  end
  local view = term.describe { colour = not kept.no_color }
  local paint = color.painter(view.colour)
  if is_single then
    answer_card(ask(addresses()), view, paint)
  else
    answer_table(ask, addresses, view, paint)
  end
  return out.code.fine
end

return parse
