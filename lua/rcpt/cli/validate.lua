--- `rcpt validate`: ask about one address, or about many at once.
-- @module rcpt.cli.validate
local rcpt = require "rcpt"
local color = require "rcpt.cli.color"
local lines = require "rcpt.cli.lines"
local options = require "rcpt.cli.options"
local out = require "rcpt.cli.out"
local printer = require "rcpt.cli.table"
local show = require "rcpt.cli.verdict"
local term = require "rcpt.cli.term"
local text = require "rcpt.cli.text"
local concat, error, ipairs, pcall = table.concat, error, ipairs, pcall
local validate = {
  summary = "ask the domain's own mail servers whether mailboxes exist",
  notes = "At level rcpt, the default, --helo and --sender are needed. With `-` addresses are read from "
    .. "standard input, one a line, and each verdict is printed as it comes: not in the order asked.",
  argument = "an address; or `-`: standard input, one a line",
  groups = { "ask", "liberties", "show" },
}

-- Whom we say we are has no default: it would be wrong everywhere.
local function need_identity(settings)
  if (settings.level or "rcpt") ~= "rcpt" or settings.identities ~= nil then return end
  local missing = {}
  if settings.helo == nil then missing[#missing + 1] = "--helo NAME (our name in EHLO)" end
  if settings.sender == nil then missing[#missing + 1] = "--sender ADDRESS (whom MAIL FROM names)" end
  if #missing > 0 then
    out.usage("missing at level rcpt: %s; --level dns asks without", concat(missing, " and "))
  end
end

local function open(settings, reword)
  need_identity(settings)
  local ok, validator = pcall(rcpt.new, settings)
  if ok then return validator end
  if not options.is_about_option(validator) then error(validator, 0) end
  out.usage("%s", reword(validator))
end

-- How a verdict is printed: a line, a row, or a card.
local function printer_for(kept, is_single)
  if kept.json then
    return function(verdict) out.line(show.json(verdict)) end
  end
  local view = term.describe { colour = not kept.no_color }
  local paint = color.painter(view.colour)
  if is_single then
    return function(verdict)
      for _, line in ipairs(show.card(verdict, view, paint)) do out.line(line) end
    end
  end
  local row = printer.new(show.columns, view.width, paint)
  out.line(row(printer.head(show.columns)))
  return function(verdict)
    local cells = show.cells(verdict)
    out.line(row(cells, cells[2]))
  end
end

local CODES = {
  deliverable = out.code.fine, risky = out.code.fine,
  undeliverable = out.code.undeliverable, unknown = out.code.unknown,
}

local function ask_one(validator, address, print)
  local verdict, message = validator:validate(address)
  if not verdict then out.stop(out.code.failed, message) end
  print(verdict)
  return verdict.passed and out.code.fine or CODES[verdict.status]
end

local function ask_all(validator, addresses, print)
  local code = out.code.fine
  for verdict, message, _, address in validator:each(addresses) do
    if verdict then
      print(verdict)
    else
      code = out.code.failed
      out.tell(("%s: %s"):format(text.harmless(address), message))
    end
  end
  return code
end

--- @tparam {string,...} given addresses, or "-"
-- @tparam table settings for `rcpt.new`
-- @tparam table kept options of the command
-- @tparam function(message) reword
-- @treturn int the exit code
function validate.run(given, settings, kept, reword)
  local addresses, is_single = lines.addresses(given)
  local validator = open(settings, reword)
  local print = printer_for(kept, is_single)
  local ok, code = pcall(function()
    if is_single then return ask_one(validator, addresses(), print) end
    return ask_all(validator, addresses, print)
  end)
  validator:close()
  if not ok then error(code, 0) end
  return code
end

return validate
