--- Who we say we are: HELO name, sender, our own address, the proxy we go through; several of them, and which one asks.
-- @module rcpt.identity
local core = require "rcpt.core"
local nets = require "rcpt.nets"
local spelling = require "rcpt.spelling"
local concat, find, format, ipairs, next = table.concat, string.find, string.format, ipairs, next
local match, pcall, sub, tostring, type = string.match, pcall, string.sub, tostring, type
local floor, sort = math.floor, table.sort
local identity = {}

-- RFC 1929: a length octet each.
local SECRET_MAX = 255
local PROXY_PORT = 1080
local IDENTITIES_MAX = 1000
local FAULT_MAX = 200

-- ---- reads: from what the caller gave to what is kept, or nil and what was wrong with it -------------------------

-- A name or address literal as EHLO gives it (RFC 5321 4.1.1.1), its international labels in ASCII.
local LITERAL_TOO = { quoted = false, literal = true, smtputf8 = false, single_label = true, special_use = true }

--- @tparam string text
-- @treturn ?string
-- @treturn ?string what is wrong
function identity.read_helo(text)
  if find(text, "[%c%s@<>]") then return nil, "must be a host name or an address literal" end
  local parsed = core.parse("postmaster@" .. text, LITERAL_TOO)
  if not parsed.valid then
    if nets.bytes(text) then return nil, format("must be a name; an address stands in brackets: [%s]", text) end
    return nil, format("must be a host name or an address literal (%s)", parsed.reason)
  end
  local name = parsed.domain
  if parsed.kind ~= "domain" then return text end
  if not find(name, ".", 1, true) or name == "localhost.localdomain" or find(name, "%.localdomain$") then
    return nil, format("must be a fully qualified name that others can look up, not '%s'", name)
  end
  return name
end

--- @tparam string text
-- @tparam table liberties special_use, single_label
-- @treturn ?string without brackets; "" is the null sender
-- @treturn ?string what is wrong
function identity.read_sender(text, liberties)
  if text == "<>" then return "" end
  if text == "" then return nil, "must be an address; the null sender is written \"<>\"" end
  local parsed = core.parse(text, {
    special_use = liberties.special_use == true, single_label = liberties.single_label == true,
  })
  if not parsed.valid then
    return nil, format("must be an address or \"<>\" (%s at byte %d)", parsed.reason, parsed.position)
  end
  if not parsed.ascii then
    return nil, "must be in ASCII before the @, or no server without SMTPUTF8 could be asked"
  end
  return parsed.ascii
end

--- @tparam string|table value
-- @treturn ?table `{ipv4=, ipv6=}`
-- @treturn ?string what is wrong
function identity.read_source(value)
  local source = {}
  for _, text in ipairs(type(value) == "table" and value or { value }) do
    local family, canonical = core.ip(text)
    if not family then return nil, format("must be an IP address of this host, not '%s'", text) end
    if source[family] then return nil, "takes one address a family at most" end
    source[family] = canonical
  end
  return source
end

-- A name in a table that we do not know, and how that is told.
local function stranger(given, names)
  local strange = {}
  for name in next, given do
    local is_known = false
    for _, known in ipairs(names) do is_known = is_known or known == name end
    if not is_known then strange[#strange + 1] = tostring(name) end
  end
  if #strange == 0 then return nil end
  sort(strange)
  local near = spelling.nearest(strange[1], names)
  return format("has no field '%s'%s", strange[1], near and format("; did you mean '%s'?", near) or "")
end

local function is_secret(value) return type(value) == "string" and #value >= 1 and #value <= SECRET_MAX end

local PROXY = { "host", "port", "user", "password" }

--- A SOCKS5 proxy. What is wrong is told without user and password.
-- @tparam table given `{host = IP, port = 1080, user=, password=}`
-- @treturn ?table `{ip=, port=, user=, password=, shown="ip:port"}`
-- @treturn ?string what is wrong
function identity.read_proxy(given)
  local strange = stranger(given, PROXY)
  if strange then return nil, strange end
  local family, ip
  if type(given.host) == "string" then family, ip = core.ip(given.host) end
  if not family then return nil, "needs 'host', an IP address: names are not resolved for it" end
  local port = given.port
  if port == nil then port = PROXY_PORT end
  if type(port) ~= "number" or port ~= floor(port) or port < 1 or port > 65535 then
    return nil, "needs a 'port' from 1 to 65535"
  end
  if (given.user == nil) ~= (given.password == nil) then return nil, "takes 'user' and 'password' together" end
  if given.user ~= nil and not (is_secret(given.user) and is_secret(given.password)) then
    return nil, format("takes a 'user' and a 'password' of 1 to %d bytes", SECRET_MAX)
  end
  return { ip = ip, port = floor(port), user = given.user, password = given.password,
    shown = format(family == "ipv6" and "[%s]:%d" or "%s:%d", ip, port) }
end

-- A list of domains or of hosts' ends, each in ASCII, lower case, without dots around it.
local function read_suffixes(value)
  if type(value) ~= "table" then return nil, "must be a list of domains" end
  local list, n = {}, 0
  for _ in next, value do n = n + 1 end
  for i = 1, n do
    local text = value[i]
    text = type(text) == "string" and match(text, "^%.?(.-)%.?$")
    local parsed = text and core.parse("postmaster@" .. text, LITERAL_TOO)
    if not parsed or not parsed.valid or parsed.kind ~= "domain" then return nil, "must be a list of domains" end
    list[i] = parsed.domain
  end
  if n == 0 then return nil, "must not be an empty list" end
  return list
end

local ENTRY = { "name", "helo", "sender", "source", "proxy", "domains", "providers" }
local KINDS = { name = "string", helo = "string", sender = "string", domains = "table", providers = "table" }
local READS = { helo = identity.read_helo, sender = identity.read_sender, source = identity.read_source,
  proxy = identity.read_proxy, domains = read_suffixes, providers = read_suffixes }

local function is_list_of_strings(value)
  if type(value) ~= "table" then return type(value) == "string" end
  for _, text in next, value do
    if type(text) ~= "string" then return false end
  end
  return true
end

local function read_entry(given, i, liberties)
  if type(given) ~= "table" then return nil, "must be a table" end
  local strange = stranger(given, ENTRY)
  if strange then return nil, strange end
  local entry = { name = given.name or tostring(i) }
  for field, value in next, given do
    if KINDS[field] and type(value) ~= KINDS[field] or field == "source" and not is_list_of_strings(value)
      or field == "proxy" and value ~= false and type(value) ~= "table" then
      return nil, format("'%s' is of the wrong type (%s)", field, type(value))
    end
    if value == false then
      entry[field] = false
    elseif READS[field] then
      local kept, why = READS[field](value, liberties)
      if kept == nil then return nil, format("'%s' %s", field, why) end
      entry[field] = kept
    end
  end
  if not find(entry.name, "^[%w_.%-]+$") then return nil, "'name' must be made of letters, digits, '_', '-' and '.'" end
  return entry
end

--- The identities of a list.
-- @tparam table given
-- @tparam table liberties
-- @treturn ?{table,...}
-- @treturn ?string what is wrong
function identity.read_list(given, liberties)
  local list, names, n = { turns = {} }, {}, 0
  for _ in next, given do n = n + 1 end
  if n == 0 or n > IDENTITIES_MAX then return nil, format("must be a list of 1 to %d identities", IDENTITIES_MAX) end
  for i = 1, n do
    local entry, why = read_entry(given[i], i, liberties)
    if not entry then return nil, format("entry %d: %s", i, why) end
    if names[entry.name] then return nil, format("entry %d: the name '%s' is taken", i, entry.name) end
    names[entry.name], list[i] = true, entry
  end
  return list
end

-- ---- made of the options ------------------------------------------------------------------------------------------

local function either(own, common)
  if own == nil then return common end
  return own or nil
end

local function text_of(value) return value == nil and "" or tostring(value) end

-- One identity as it asks: its own facts over those of the options.
local function make(options, entry)
  local helo, sender = either(entry.helo, options.helo), either(entry.sender, options.sender)
  local source, proxy = either(entry.source, options.source) or {}, either(entry.proxy, options.proxy)
  local open = {
    port = options.port, helo = helo or "", sender = sender or "", source4 = source.ipv4, source6 = source.ipv6,
    greeting_only = options.level == "connect", transcript = options.transcript, connect = options.connect_timeout,
    greeting = options.greeting_timeout, reply = options.reply_timeout, second = options.second_family,
    idle = options.session_idle, ca_file = options.tls_ca_file, mode = options.tls,
    proxy = proxy and { ip = proxy.ip, port = proxy.port, user = proxy.user, password = proxy.password },
  }
  return {
    name = entry.name, helo = helo, sender = sender, shown_proxy = proxy and proxy.shown, open = open,
    domains = entry.domains, providers = entry.providers, prefers_ipv6 = source.ipv6 ~= nil,
    -- Sessions under one key are one client to others; the key holds the proxy's secrets and is shown to nobody.
    key = concat({ open.helo, open.sender, text_of(source.ipv4), text_of(source.ipv6), proxy and proxy.shown or "",
      proxy and proxy.user or "", proxy and proxy.password or "" }, "\0"),
    ways = concat({ tostring(open.greeting_only), tostring(open.transcript), open.connect, open.greeting, open.reply,
      open.second, open.idle, text_of(open.ca_file), open.mode }, " "),
  }
end

--- The identities of checked options, ready to ask.
-- @tparam table options
-- @treturn table `{own=, list=, by_name=, turns=}`; `own` is the one that helo, sender, source and proxy make
function identity.settle(options)
  local entries = options.identities or { turns = {} }
  local who = { own = make(options, {}), list = {}, by_name = {}, turns = entries.turns }
  for i, entry in ipairs(entries) do
    local one = make(options, entry)
    who.list[i], who.by_name[one.name] = one, one
  end
  return who
end

--- What is missing at level rcpt.
-- @tparam table who
-- @treturn ?string the name of what is missing: helo or sender
-- @treturn ?string of which identity; nil: of the options themselves
function identity.missing(who)
  local is_own_needed = true
  for _, one in ipairs(who.list) do
    for _, field in ipairs { "helo", "sender" } do
      if not one[field] then return field, one.name end
    end
    if not one.domains and not one.providers then is_own_needed = false end
  end
  if not is_own_needed then return nil end
  return not who.own.helo and "helo" or not who.own.sender and "sender" or nil
end

-- ---- chosen -------------------------------------------------------------------------------------------------------

local function ends_in(name, suffix)
  return name == suffix or #name > #suffix and sub(name, -#suffix - 1) == "." .. suffix
end

-- The suffix of a list that a name has, the first one.
local function suffix_of(list, name)
  for i = 1, list and #list or 0 do
    if ends_in(name, list[i]) then return list[i] end
  end
end

local function by_domain(one, probe) return suffix_of(one.domains, probe.parsed.domain) end

local function by_provider(one, probe)
  for _, mx in ipairs(one.providers and probe.mx or {}) do
    local suffix = suffix_of(one.providers, mx.host)
    if suffix then return suffix end
  end
end

local function by_nothing(one) return not one.domains and not one.providers and "" or nil end

local RULES = { { "domain", by_domain }, { "provider", by_provider }, { "any", by_nothing } }

-- Those that match in the same words as the first that does take turns.
local function by_rule(who, probe)
  for _, rule in ipairs(RULES) do
    local equals, wording = {}, nil
    for _, one in ipairs(who.list) do
      local found = rule[2](one, probe)
      wording = wording or found
      if found and found == wording then equals[#equals + 1] = one end
    end
    if wording then
      local key = rule[1] .. " " .. wording
      local turn = (who.turns[key] or 0) % #equals + 1
      who.turns[key] = turn
      return equals[turn]
    end
  end
  return who.own
end

local function first_line(raised) return sub(match(tostring(raised), "^[^\r\n]*"), 1, FAULT_MAX) end

local function mx_of(probe)
  local list = {}
  for i, mx in ipairs(probe.mx or {}) do list[i] = { host = mx.host, preference = mx.preference } end
  return list
end

-- The user's word; nil leaves it to the rules.
local function by_hook(hook, who, probe)
  local ok, name = pcall(hook, { address = probe.address, domain = probe.parsed.domain, mx = mx_of(probe) })
  if not ok then return nil, first_line(name) end
  if name == nil then return by_rule(who, probe) end
  local one = type(name) == "string" and who.by_name[name]
  if one then return one end
  return nil, type(name) == "string" and format("no identity is named '%s'", first_line(name))
    or format("a name is wanted, not a %s", type(name))
end

--- As whom a probe asks. May yield where the user's hook does.
-- @tparam table probe its address, domain and mail hosts are known
-- @treturn ?table the identity; nil where the hook made a mistake
-- @treturn ?string which mistake
function identity.choose(probe)
  local options = probe.options
  local who = options.who
  if options.level == "dns" or #who.list == 0 then return who.own end
  if options.identity then return by_hook(options.identity, who, probe) end
  return by_rule(who, probe)
end

return identity
