--- The options of the commands: one row each, from which argparse, the help and rcpt's table grow.
-- A row: the flag, the name it has in a table of options for `rcpt.new` (or in the command's own
-- result), how its value is read, a line of help.
-- @module rcpt.cli.options
local config = require "rcpt.cli.config"
local nearest = require("rcpt.options").nearest
local out = require "rcpt.cli.out"
local concat, format, getenv, ipairs, pairs = table.concat, string.format, os.getenv, ipairs, pairs
local tonumber, type = tonumber, type
local options = {}

-- How a value is read: the value, or nil, what is wrong and perhaps a hint. Ranges and names are for rcpt to check.
local read = {}

function read.text(s)
  return s
end

function read.number(s)
  local n = tonumber(s:match("^%d+%.?%d*$"))
  if n then return n end
  return nil, "must be a number"
end

local POLICIES = { "rate_limit", "cache", "single_flight", "catch_all", "greylist", "breaker", "preflight_gate" }

function read.policy(s)
  for _, name in ipairs(POLICIES) do
    if s == name then return s end
  end
  local near = nearest(s, POLICIES)
  return nil, "must be one of " .. concat(POLICIES, ", "), near and format("; did you mean '%s'?", near)
end

-- HOST:PORT, an IPv6 address in brackets. Who may use it is not for a command line, which others can see.
function read.proxy(s)
  local host, port = s:match("^%[([%x:.]+)%]:(%d+)$")
  if not host then host, port = s:match("^([%d.]+):(%d+)$") end
  if host then return { host = host, port = tonumber(port) } end
  return nil, "must be IP:PORT; user and password are read from RCPT_PROXY_AUTH"
end

function read.store(s)
  if s == "memory" then return s end
  return nil, "must be memory, the only one in this version"
end

-- { flag, name, read = or value =, arg = what the help calls the value, many = true, help }
local ASK = {
  { "--helo", "helo", read = read.text, arg = "NAME", "our name in EHLO; A, PTR and MX should agree on it" },
  { "--sender", "sender", read = read.text, arg = "ADDRESS", "whom MAIL FROM names; '<>' is the null sender" },
  { "--level", "level", read = read.text, arg = "LEVEL",
    "how far to ask: syntax, dns, connect or rcpt (the default)" },
  { "--nameserver", "nameservers", read = read.text, arg = "HOST[:PORT]", many = true,
    "ask this DNS server instead of the system's; repeatable" },
  { "--source", "source", read = read.text, arg = "IP", many = true,
    "connect from this address of ours; once for each family" },
  { "--proxy", "proxy", read = read.proxy, arg = "IP:PORT", hides = true,
    "go through this SOCKS5 proxy; RCPT_PROXY_AUTH=user:password is what it wants" },
  { "--port", "port", read = read.number, arg = "N", "the port of the mail servers (25)" },
  { "--tls", "tls", read = read.text, arg = "MODE", "STARTTLS: may (the default), off or require" },
  { "--vrfy", "vrfy", value = true, "ask VRFY first, where it is offered" },
  { "--timeout", "deadline", read = read.number, arg = "SECONDS", "for one whole question (45)" },
  { "--concurrency", "concurrency", read = read.number, arg = "N",
    "addresses asked about at once, of a list (100)" },
  { "--connections-per-host", "connections_per_host", read = read.number, arg = "N",
    "connections to one mail server at once (5)" },
  { "--allow-net", "allow_nets", read = read.text, arg = "CIDR", many = true,
    "connect to mail servers in this range too, although private; repeatable" },
  { "--transcript", "transcript", value = true, "keep what was said, and show it" },
  { "--without", "without", read = read.policy, arg = "POLICY", many = true, kept = true,
    "leave a policy out: " .. concat(POLICIES, ", ") .. "; repeatable" },
  { "--no-rate-limit", "rate_limit", value = false, "the same as --without rate_limit" },
  { "--store", "store", read = read.store, arg = "STORE", kept = true, "where limits and answers are kept: memory" },
  { "--config", "config", read = read.text, arg = "FILE", kept = true,
    "options from a Lua file that returns a table; the command line wins" },
}
local LIBERTIES = {
  { "--no-quoted", "quoted", value = false, 'refuse "quoted strings" before the @' },
  { "--no-literal", "literal", value = false, "refuse an IP address after the @" },
  { "--no-smtputf8", "smtputf8", value = false, "refuse other than ASCII before the @" },
  { "--display-name", "display_name", value = true, "take 'Name <address>' too" },
  { "--single-label", "single_label", value = true, "take a domain without a dot" },
  { "--special-use", "special_use", value = true, "take domains reserved for special use" },
}
local SHOW = {
  { "--json", "json", value = true, kept = true, "one JSON object a line" },
  { "--no-color", "no_color", value = true, kept = true, "no colour, not even on a terminal" },
}
local LINES = {
  { "--json-lines", "json_lines", value = true, kept = true, "read JSON strings, write JSON objects, a line each" },
}

--- The groups a command chooses from, each a list of rows.
options.groups = { ask = ASK, liberties = LIBERTIES, show = SHOW, lines = LINES }

-- What was typed goes to `given`, a list of {row, value} in the order of the line.
local function declare(command, row, given)
  local flag, name, help = row[1], row[2], row[3]
  if row.read then
    command:option(flag, help):argname(row.arg):count(row.many and "*" or "?"):target(name)
      :convert(function(s)
        local value, expected, hint = row.read(s)
        if value == nil then
          local shown = row.hides and "" or format(", not '%s'", s)
          return nil, format("option '%s' %s%s%s", flag, expected, shown, hint or "")
        end
        return value
      end)
      :action(function(_, _, value) given[#given + 1] = { row, value } end)
  else
    command:flag(flag, help):target(name):action(function() given[#given + 1] = { row, row.value } end)
  end
end

--- Declare groups of options for a command of argparse's.
-- @tparam table command
-- @tparam {string,...} groups their names
-- @tparam table given a list that is filled while argparse parses; for `settle`
function options.declare(command, groups, given)
  for _, name in ipairs(groups) do
    for _, row in ipairs(options.groups[name]) do declare(command, row, given) end
  end
end

--- The flags of some groups, without their dashes.
-- @tparam {string,...} groups
-- @treturn {string,...}
function options.flags(groups)
  local flags = { "help" }
  for _, name in ipairs(groups) do
    for _, row in ipairs(options.groups[name]) do flags[#flags + 1] = row[1]:sub(3) end
  end
  return flags
end

-- Into `settings` what is rcpt's, into `kept` what is the command's own.
local function sort_out(given)
  local settings, kept, flags, seen = {}, {}, {}, {}
  for _, pair in ipairs(given) do
    local row, value = pair[1], pair[2]
    local name, to = row[2], row.kept and kept or settings
    if row.many then
      if not seen[name] then to[name], seen[name] = {}, true end
      to[name][#to[name] + 1] = value
    else
      to[name] = value
    end
    flags[name] = row[1]
  end
  for _, policy in ipairs(kept.without or {}) do
    settings[policy], flags[policy] = false, "--without"
  end
  return settings, kept, flags
end

-- The proxy's user and password, from the environment.
local function authenticate(settings)
  local auth = getenv("RCPT_PROXY_AUTH")
  local proxy = settings.proxy
  if not auth or auth == "" or type(proxy) ~= "table" or proxy.user ~= nil then return end
  local user, password = auth:match("^([^:]+):(.+)$")
  if not user then out.usage("RCPT_PROXY_AUTH must be user:password") end
  local with = {}
  for name, value in pairs(proxy) do with[name] = value end
  with.user, with.password = user, password
  settings.proxy = with
end

--- What the command line, the file it names and the environment say together.
-- @tparam {table,...} given as collected by `declare`
-- @treturn table settings for `rcpt.new` or `rcpt.parse`
-- @treturn table kept the command's own: json, json_lines, no_color, ...
-- @treturn function(message) the message of a raise of rcpt's in the words of the command line
-- @raise a stop with exit code 2 where the file cannot be read
function options.settle(given)
  local settings, kept, flags = sort_out(given)
  local file = kept.config
  if file then
    local found, message = config.read(file)
    if not found then out.usage("option '--config': %s", message) end
    for name, value in pairs(found) do
      if settings[name] == nil then settings[name] = value end
    end
  end
  authenticate(settings)
  return settings, kept, function(message)
    return options.reword(message, flags, file)
  end
end

-- Every flag by the name of its option in rcpt.
local FLAG_OF = {}
for _, group in pairs { ASK, LIBERTIES } do
  for _, row in ipairs(group) do
    if not row.kept then FLAG_OF[row[2]] = row[1] end
  end
end

--- "x.lua:3: option 'deadline' must be ..." as "option '--timeout' must be ...".
-- @tparam string message
-- @tparam table flags name -> the flag that set it
-- @tparam ?string file where the others come from
-- @treturn string
function options.reword(message, flags, file)
  local said = message:gsub("^.-:%d+: ", "", 1)
  local name = said:match("option '([%w_]+)'")
  if name and not flags[name] and file and not said:find("missing", 1, true) then return file .. ": " .. said end
  return (said:gsub("option '([%w_]+)'", function(option)
    local flag = flags[option] or FLAG_OF[option]
    return flag and format("option '%s'", flag) or nil
  end))
end

--- Does this text come from a caller's mistake over an option?
-- @param raised
-- @treturn boolean
function options.is_about_option(raised)
  return type(raised) == "string" and raised:find("option", 1, true) ~= nil
end

return options
