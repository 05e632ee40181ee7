--- The options: one flat table each, checked against one schema.
-- README's table is made from the schema by `check/options.lua`.
-- @module rcpt.options
local core = require "rcpt.core"
local identity = require "rcpt.identity"
local nets = require "rcpt.nets"
local spelling = require "rcpt.spelling"
local concat, error, floor, format = table.concat, error, math.floor, string.format
local ipairs, match, next, sort, tonumber = ipairs, string.match, next, table.sort, tonumber
local tostring, type = tostring, type
local options = {}

options.LEVELS = { "syntax", "dns", "connect", "rcpt" }
options.DRIVERS = { "plain" }
options.TLS = { "may", "off", "require" }
options.nearest = spelling.nearest

-- Reads: from what the caller gave to what is kept, or nil and what was wrong with it.

local function endpoint(text)
  local ip, port = match(text, "^%[([%x:.]+)%]:?(%d*)$")
  if not ip then ip, port = match(text, "^(%d+%.%d+%.%d+%.%d+):?(%d*)$") end
  if not ip then ip, port = text, "" end
  local family, canonical = core.ip(ip)
  port = port == "" and 53 or tonumber(port)
  if not family or port < 1 or port > 65535 then return nil end
  return format(family == "ipv6" and "[%s]:%d" or "%s:%d", canonical, port)
end

local SERVERS_MAX = 8
local function read_servers(list)
  local servers = {}
  if #list > SERVERS_MAX then return nil, format("takes at most %d servers", SERVERS_MAX) end
  for i, text in ipairs(list) do
    servers[i] = endpoint(text)
    if not servers[i] then return nil, format("must hold IP addresses with or without a port, not '%s'", text) end
  end
  if #servers == 0 then return nil, "must not be an empty list" end
  return concat(servers, ",")
end

local function read_nets(list)
  local set, entry, why = nets.set(list)
  if not set then return nil, format("must hold IP ranges like 192.0.2.0/24, not '%s' (%s)", entry, why) end
  return set
end

local function one_of(list)
  return function(value)
    for _, name in ipairs(list) do
      if name == value then return value end
    end
    local near = spelling.nearest(value, list)
    return nil, format("must be one of %s, not '%s'%s", concat(list, ", "), value,
      near and format("; did you mean '%s'?", near) or "")
  end
end

local function seconds(name, default, doc, min)
  return { name = name, type = "number", default = default, min = min or 0.01, max = 3600, unit = "s", doc = doc }
end
local function count(name, default, max, doc)
  return { name = name, type = "integer", default = default, min = 1, max = max, doc = doc }
end
local function switch(name, default, doc)
  return { name = name, type = "boolean", default = default, doc = doc }
end
local function absent(name, what)
  return { name = name, type = "false", doc = what .. ": not part of this version; `false` is taken" }
end

--- The rows, in the order of the README: name, type, default, min, max, unit, doc, read.
options.schema = {
  { name = "helo", type = "string", read = identity.read_helo,
    doc = "our name in EHLO: a fully qualified name (or an address literal) that A, PTR and MX of our IP agree on;"
      .. " needed at level `rcpt`" },
  { name = "sender", type = "string", read = identity.read_sender,
    doc = "what MAIL FROM gives; `\"<>\"` is the null sender; needed at level `rcpt`" },
  { name = "level", type = "string", default = "rcpt", read = one_of(options.LEVELS),
    doc = "how deep to ask: `syntax`, `dns`, `connect` or `rcpt`" },
  seconds("deadline", 45, "for one whole question"),
  seconds("connect_timeout", 10, "for a connection to one address"),
  seconds("greeting_timeout", 20, "for the greeting; tarpits and postscreen wait 6 to 10"),
  seconds("reply_timeout", 20, "for each later reply"),
  seconds("dns_timeout", 10, "for each DNS question"),
  seconds("second_family", 2, "the next address of a host, of the other family where it has one, is tried beside the"
    .. " first after this"),
  count("max_hosts", 5, 20, "mail hosts of a domain that are tried"),
  count("concurrency", 100, 100000, "addresses `each` asks about at once"),
  { name = "nameservers", type = "list", read = read_servers,
    doc = "DNS servers, `\"IP\"`, `\"IP:port\"` or `\"[IPv6]:port\"`; without it the system's" },
  { name = "source", type = "string or list", read = identity.read_source,
    doc = "our address to connect from, one a family at most; without an IPv6 one, IPv4 goes first" },
  { name = "proxy", type = "table", read = identity.read_proxy,
    doc = "SOCKS5 proxy to go through: `{ host = IP, port = 1080, user =, password = }`" },
  { name = "identities", type = "table", read = identity.read_list,
    doc = "several of us, a list of `{ name =, helo =, sender =, source =, proxy =, domains = {...},"
      .. " providers = {...} }`; what an entry does not say is as above (doc/sessions.md)" },
  { name = "identity", type = "function",
    doc = "which of them asks: called with `{ address =, domain =, mx = {...} }`, gives a name, or nil for the rules;"
      .. " may yield" },
  { name = "port", type = "integer", default = 25, min = 1, max = 65535, doc = "of the mail hosts" },
  { name = "allow_nets", type = "list", read = read_nets,
    doc = "ranges (`\"127.0.0.0/8\"`) in which mail hosts are asked although no public one can stand there" },
  { name = "tls", type = "string", default = "may", read = one_of(options.TLS),
    doc = "STARTTLS: `may` where it is offered and works, `off`, or `require`" },
  { name = "tls_ca_file", type = "string", doc = "PEM file of certificate authorities beside the system's" },
  switch("vrfy", false, "ask VRFY before RCPT where it is offered; a definite no decides"),
  count("connections_per_host", 5, 1000, "at once, to one mail host as one identity"),
  count("connections_per_identity", 500, 100000, "at once, as one identity"),
  count("connections", 1000, 100000, "at once, of the whole process"),
  count("session_recipients", 200, 10000, "asked on one connection"),
  count("session_refusals", 20, 10000, "heard on one connection"),
  seconds("session_age", 300, "of a connection on which more is asked"),
  seconds("session_idle", 10, "between two questions on one connection"),
  seconds("linger", 0, "connections are kept when nothing is asked any more; `each` keeps them until it ends", 0),
  switch("transcript", false, "keep what was said in `verdict.transcript`"),
  switch("quoted", true, "take quoted local parts"),
  switch("literal", true, "take address literals, `user@[192.0.2.1]`"),
  switch("smtputf8", true, "take local parts beyond ASCII (RFC 6531)"),
  switch("display_name", false, "take `Name <user@domain>`"),
  switch("single_label", false, "take domains without a dot"),
  switch("special_use", false, "take domains set aside (RFC 6761) beside `example` and `test`"),
  { name = "driver", type = "string", read = one_of(options.DRIVERS),
    doc = "how to wait: `plain`; without it, what fits the host" },
  absent("rate_limit", "a limit of questions a domain"),
  absent("cache", "kept answers"),
  absent("catch_all", "a decoy recipient"),
  absent("greylist", "asking again"),
  absent("breaker", "leaving a host alone"),
  absent("single_flight", "one question for many callers"),
  absent("preflight_gate", "looking at this host first"),
  absent("policies", "your own hooks"),
  absent("store", "where limits and answers are kept"),
}

-- Names of a parse alone.
local PARSE = { "quoted", "literal", "smtputf8", "display_name", "single_label", "special_use" }

local ROWS, NAMES, DEFAULTS = {}, {}, {}
for i, row in ipairs(options.schema) do
  ROWS[row.name], NAMES[i], DEFAULTS[row.name] = row, row.name, row.default
end

local function check_type(row, value)
  local kind = row.type
  if kind == "false" then
    return value == false, "not part of this version; false is taken"
  elseif kind == "integer" then
    return type(value) == "number" and value == floor(value), "must be a whole number"
  elseif kind == "list" or kind == "string or list" then
    if kind == "string or list" and type(value) == "string" then return true end
    if type(value) ~= "table" then return false, "must be a " .. kind end
    local n = 0
    for _ in next, value do n = n + 1 end
    for i = 1, n do
      if type(value[i]) ~= "string" then return false, "must be a list of strings" end
    end
    return true
  end
  return type(value) == kind, "must be a " .. kind
end

-- The value to keep; or nil and the message.
local function read(row, value, liberties)
  local fits, expected = check_type(row, value)
  if not fits then
    if row.type == "false" then return nil, format("option '%s': %s", row.name, expected) end
    return nil, format("option '%s' %s, not %s", row.name, expected,
      type(value) == "number" and tostring(value) or "a " .. type(value))
  end
  if row.min and not (value >= row.min and value <= row.max) then
    return nil, format("option '%s' must be from %s to %s%s, not %s", row.name, tostring(row.min), tostring(row.max),
      row.unit and " " .. row.unit or "", tostring(value))
  end
  if row.type == "integer" then return floor(value) end
  if not row.read then return value end
  local kept, why = row.read(value, liberties)
  if kept == nil then return nil, format("option '%s' %s", row.name, why) end
  return kept
end

-- An unknown name, the first in the order of the alphabet.
local function stranger(given, known)
  local strange = {}
  for name in next, given do
    if not known[name] then strange[#strange + 1] = tostring(name) end
  end
  sort(strange)
  return strange[1]
end

local function refuse_strangers(given, known, names, level)
  local name = stranger(given, known)
  if not name then return end
  local near = spelling.nearest(name, names)
  error(format("unknown option '%s'%s", name, near and format("; did you mean '%s'?", near) or ""), level + 1)
end

local NEEDED = {
  helo = "option 'helo' is missing: level \"rcpt\" needs the name this host goes by, like \"probe.example.net\"",
  sender = "option 'sender' is missing: level \"rcpt\" needs the address that MAIL FROM gives,"
    .. " like \"user@probe.example.net\", or \"<>\"",
}

-- What fits together, and what the core is told, made once for many questions.
local function derive(out, level)
  out.parse = {}
  for _, name in ipairs(PARSE) do out.parse[name] = out[name] end
  out.who = identity.settle(out)
  if out.identity and not out.identities then error("option 'identity' needs option 'identities'", level + 1) end
  if out.level == "rcpt" then
    local field, whose = identity.missing(out.who)
    if whose then
      error(format("option 'identities': '%s' has no %s, nor have the options", whose, field), level + 1)
    end
    if field then error(NEEDED[field], level + 1) end
  end
  return out
end

--- Fill defaults and refuse what the schema does not know.
-- Values come out as they are used: `sender` without brackets ("" is the null sender), `nameservers` as one text,
-- `source` as `{ipv4=, ipv6=}`, `allow_nets` as a set; `parse` is a table for the core, `who` holds the identities.
-- @tparam ?table given the caller's table; never modified
-- @tparam ?table base options checked before, which `given` overrides
-- @tparam[opt=1] int level whose fault an error is, as for `error`
-- @treturn table a fresh table, safe to keep
-- @raise on an unknown name, a wrong type, a value out of range, a helo or sender that is missing
function options.check(given, base, level)
  level = (level or 1) + 1
  if given ~= nil and type(given) ~= "table" then
    error(format("options must be a table, not a %s", type(given)), level)
  end
  given = given or {}
  refuse_strangers(given, ROWS, NAMES, level)
  local out = {}
  local liberties = base and {} or given
  if base then
    for _, name in ipairs(PARSE) do
      if given[name] ~= nil then liberties[name] = given[name] else liberties[name] = base[name] end
    end
  end
  for i = 1, #NAMES do
    local name = NAMES[i]
    local value = given[name]
    if value == nil then
      if base then out[name] = base[name] else out[name] = DEFAULTS[name] end
    else
      local kept, message = read(ROWS[name], value, liberties)
      if kept == nil then error(message, level) end
      out[name] = kept
    end
  end
  out = derive(out, level)
  return out
end

local PARSES = {}
for _, name in ipairs(PARSE) do PARSES[name] = true end

--- Check the options of a parse alone.
-- @tparam ?table given any of quoted, literal, smtputf8, display_name, single_label, special_use
-- @tparam[opt=1] int level
-- @treturn table
-- @raise on an unknown name or a wrong type
function options.check_parse(given, level)
  level = (level or 1) + 1
  if given ~= nil and type(given) ~= "table" then
    error(format("options must be a table, not a %s", type(given)), level)
  end
  given = given or {}
  refuse_strangers(given, PARSES, PARSE, level)
  local out = {}
  for _, name in ipairs(PARSE) do
    local value = given[name]
    if value ~= nil and type(value) ~= "boolean" then
      error(format("option '%s' must be a boolean, not a %s", name, type(value)), level)
    end
    if value == nil then value = DEFAULTS[name] end
    out[name] = value
  end
  return out
end

return options
