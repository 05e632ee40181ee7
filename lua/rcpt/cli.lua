--- The command line: which command, with which options, and how it ends.
-- `bin/rcpt` finds the modules and calls `main`. A command is a module of its own with a
-- description, its groups of options and `run`; argparse reads the line.
-- @module rcpt.cli
local argparse = require "argparse"
local nearest = require("rcpt.options").nearest
local options = require "rcpt.cli.options"
local out = require "rcpt.cli.out"
local version = require "rcpt.version"
local jit = rawget(_G, "jit")
local concat, ipairs, tostring, type, xpcall = table.concat, ipairs, tostring, type, xpcall
local traceback = debug.traceback
local cli = {}

local NAMES = { "validate", "parse", "classify" }
local SAYING = "Exit codes: 0 fine, 1 undeliverable, 2 wrong use, 3 could not run, 4 unknown.\n"
  .. "`rcpt help COMMAND` tells the options of a command; rcpt(1) tells all."

local function module_of(name)
  return require("rcpt.cli." .. name)
end

-- argparse counts on a fresh tree of parsers for each line it reads.
local function build(given)
  local parser = argparse("rcpt")
    :description("Asks a domain's own mail servers whether a mailbox exists, without sending anything.")
    :add_help(false):require_command(false):command_target("command"):usage_max_width(79):help_max_width(79)
    :epilog(SAYING)
  parser:flag("-h --help", "show this and stop")
  parser:flag("--version", "show the version and stop")
  local commands = {}
  for _, name in ipairs(NAMES) do
    local found = module_of(name)
    local command = parser:command(name, found.summary):add_help(false):epilog(found.notes)
    if found.argument then command:argument("address", found.argument):args("*"):argname("ADDRESS") end
    command:flag("-h --help", "show this and stop")
    options.declare(command, found.groups, given)
    commands[name] = command
  end
  parser:command("help", "show the options of a command"):add_help(false)
    :argument("topic", "the command"):args("?"):argname("COMMAND")
  return parser, commands
end

local function all_names()
  local names = { "help" }
  for _, name in ipairs(NAMES) do names[#names + 1] = name end
  return names
end

-- The command a line names: the first word that is one.
local function command_in(args)
  for _, word in ipairs(args) do
    for _, name in ipairs(NAMES) do
      if word == name then return name end
    end
  end
end

local function hint(near)
  return near and ("; did you mean '%s'?"):format(near) or ""
end

-- argparse's message on one line; where a name is unknown, with the nearest that is known.
local function improve(message, args)
  local said = message:gsub("\n.*", "")
  local kind, name = said:match("^unknown (%a+) '(.*)'$")
  if kind == "command" then return said .. hint(nearest(name, all_names())) end
  if kind ~= "option" then return said end
  local command = command_in(args)
  local flags = command and options.flags(module_of(command).groups) or { "help", "version" }
  local near = nearest((name:gsub("^%-+", "")), flags)
  return said .. hint(near and "--" .. near)
end

local function read_line(args)
  local given = {}
  local parser, commands = build(given)
  local ok, result = parser:pparse(args)
  if not ok then out.usage("%s", improve(result, args)) end
  return result, given, parser, commands
end

local function print_help(text)
  out.line((text:gsub("\n+$", "")))
end

local function help(topic, parser, commands)
  if topic and not commands[topic] then
    out.usage("unknown command '%s'%s", topic, hint(nearest(topic, NAMES)))
  end
  print_help((topic and commands[topic] or parser):get_help())
end

local function run(args)
  local result, given, parser, commands = read_line(args)
  local name = result.command
  if result.version then
    out.line(("rcpt %s (%s)"):format(version, jit and jit.version or _VERSION))
  elseif name == "help" then
    help(result.topic, parser, commands)
  elseif result.help then
    print_help((name and commands[name] or parser):get_help())
  elseif not name then
    out.usage("a command is missing: %s, or help", concat(NAMES, ", "))
  else
    return module_of(name).run(result.address or {}, options.settle(given))
  end
  return out.code.fine
end

local function explain(raised)
  if out.is_stop(raised) then return raised end
  return { code = out.code.failed, message = "a mistake in rcpt itself: " .. traceback(tostring(raised), 2) }
end

--- Run one command line.
-- @tparam {string,...} args the words after the program's name
-- @treturn int the exit code; what went wrong was told on standard error
function cli.main(args)
  local ok, code = xpcall(function() return run(args) end, explain)
  if ok then return code end
  local stop = code
  if type(stop) ~= "table" then stop = { code = out.code.failed, message = tostring(stop) } end
  if stop.message then
    out.tell(stop.message)
    if stop.code == out.code.usage then
      local name = command_in(args)
      out.tell(("`rcpt help%s` tells how it is called"):format(name and " " .. name or ""))
    end
  end
  return stop.code
end

return cli
