--- The sessions that real mail servers had with their clients, read from their logs.
--
-- Postfix tells the words only of clients in 127.0.34.0/24 (debug_peer_list), of others it counts the
-- commands; Exim and OpenSMTPD tell them always. Knows logs, not files: texts in, tables out. A session:
--    host       "must" for mx.must.example; nil where the log does not tell before the greeting
--    source     the client's address
--    dialogue   { "S: 220 ...", "C: EHLO ...", ... } in the order of the log; in a reply every line
--    counts     Postfix: { ehlo = 1, mail = 1, rcpt = "0/1", ... }
--    tls        { version =, cipher = } where Postfix tells of a handshake that went well
--    over       has it ended?; quit: with QUIT?
-- SPDX-License-Identifier: MIT
-- @module spec.support.servers.sessions
local ipairs, table = ipairs, table
local sessions = {}

local function host_of(greeting) return greeting:match("^220[ -]mx%.(%w+)%.example") end

local function say(session, who, text)
  if not session then return end
  session.dialogue[#session.dialogue + 1] = who .. text
  if who == "S: " and not session.host then session.host = host_of(text) end
end

local function open(list, source, host)
  local session = { source = source, host = host, dialogue = {}, over = false, quit = false }
  list[#list + 1] = session
  return session
end

-- A process serves one client after another.
local function postfix(log)
  local list, at = {}, {}
  for service, pid, text in log:gmatch("postfix/?(%w*)/smtpd%[(%d+)%]: ([^\n]*)") do
    local session = at[pid]
    local source = text:match("^connect from %S-%[([^%]]+)%]")
    if source then
      at[pid] = open(list, source, service == "" and "postfix" or service)
    elseif session then
      local arrow, words = text:match("^([<>]) %S-%[[^%]]+%]: (.*)")
      local counts = text:match("^disconnect from %S+ (.*)")
      local version, cipher = text:match(" TLS connection established from %S+: (%S+) with cipher (%S+)")
      if arrow then
        say(session, arrow == ">" and "S: " or "C: ", words)
      elseif version then
        session.tls = { version = version, cipher = cipher }
      elseif counts then
        session.counts = {}
        for name, n in counts:gmatch("(%w+)=(%S+)") do session.counts[name] = tonumber(n) or n end
        session.over, session.quit, at[pid] = true, session.counts.quit ~= nil, nil
      end
    end
  end
  return list
end

-- A process for each client. The second and later lines of a reply are indented under the first.
local function exim(log)
  local list, at = {}, {}
  for pid, text in log:gmatch("\n *(%d+) ([^\r\n]*)") do
    local source = text:match("^Process %d+ is handling incoming connection from %[([^%]]+)%]")
    if source then at[pid] = open(list, source) end
    local session = at[pid]
    local words = text:match("^SMTP<< (.*)")
    if words then
      say(session, "C: ", words)
    else
      words = text:match("^SMTP>> (.*)") or text:match("^%s+(%d%d%d[ -].*)")
      if words then say(session, "S: ", words) end
    end
    if session and text:match("SMTP connection from .* closed by QUIT$") then session.quit = true end
    if session and text:match("Exim pid=%d+ %S+ terminating") then session.over, at[pid] = true, nil end
  end
  return list
end

-- One process, a pointer for each session, and an id that stands in other lines.
local function opensmtpd(log)
  local list, at, by_id, newest = {}, {}, {}, nil
  for line in log:gmatch("[^\n]+") do
    local pointer, text = line:match("^smtp: (%w+): (.*)")
    local id, event, rest = line:match("^(%x+) smtp (%a+) (.*)")
    if pointer and text:match("^STATE_NEW ") then
      newest = pointer
    elseif pointer then
      local arrow, words = text:match("^([<>])[<>][<>] ([^\r]*)")
      if arrow then say(at[pointer], arrow == ">" and "S: " or "C: ", words) end
    elseif event == "connected" and newest then
      at[newest] = open(list, rest:match("address=(%S+)"))
      by_id[id] = at[newest]
    elseif event == "disconnected" and by_id[id] then
      by_id[id].over, by_id[id].quit = true, rest:match("reason=quit") ~= nil
    end
  end
  return list
end

local READERS = { postfix = postfix, exim = exim, opensmtpd = opensmtpd }

--- The sessions in a log, in the order of their beginning.
-- @tparam string server `postfix`, `exim`, `opensmtpd`
-- @tparam string log what it has logged
-- @tparam ?string host only those with `mx.HOST.example`
-- @tparam ?string source only those with this client
-- @treturn {table,...}
function sessions.read(server, log, host, source)
  local list = {}
  for _, session in ipairs(READERS[server]("\n" .. log)) do
    if (not host or session.host == host) and (not source or session.source == source) then
      list[#list + 1] = session
    end
  end
  return list
end

--- What the client said, word for word.
-- @treturn {string,...}
function sessions.commands(session)
  local list = {}
  for _, line in ipairs(session.dialogue) do list[#list + 1] = line:match("^C: (.*)") end
  return list
end

-- Commands that every server has (RFC 5321 4.5.1, and VRFY, which it may answer with 252).
local PLAIN = { EHLO = true, HELO = true, MAIL = true, RCPT = true, RSET = true, NOOP = true, QUIT = true, VRFY = true }
-- What takes an offer: commands, and parameters of MAIL and RCPT.
local OFFER = { STARTTLS = "STARTTLS", AUTH = "AUTH", ETRN = "ETRN", SIZE = "SIZE", BODY = "8BITMIME",
  SMTPUTF8 = "SMTPUTF8", RET = "DSN", ENVID = "DSN", NOTIFY = "DSN", ORCPT = "DSN" }

-- What stands in this command and takes an offer, or is not allowed at all ("DATA" and its kind).
local function demands(command)
  local verb = command:match("^%a*"):upper()
  local list = {}
  if not PLAIN[verb] then list[1] = verb end
  if verb == "MAIL" or verb == "RCPT" then
    local parameters = command:match("^[^<]*<[^>]*>(.*)") or ""
    for name in parameters:gmatch(" ([%w-]+)") do list[#list + 1] = name:upper() end
  end
  if command:find("[\128-\255]") and (verb == "RCPT" or verb == "MAIL" or verb == "VRFY") then
    list[#list + 1] = "SMTPUTF8"
  end
  return list
end

--- The commands of a session that the server did not offer, and DATA and BDAT wherever they stand.
-- An offer holds from the 250 of EHLO until the next EHLO or STARTTLS.
-- @treturn {string,...} empty for a polite client
function sessions.unoffered(session)
  local list, offers, asked = {}, {}, nil
  for _, line in ipairs(session.dialogue) do
    local who, text = line:match("^(%u): (.*)")
    if who == "C" then
      for _, name in ipairs(demands(text)) do
        if not OFFER[name] or not offers[OFFER[name]] then list[#list + 1] = name .. " in '" .. text .. "'" end
      end
      local verb = text:match("^%a*"):upper()
      if verb == "EHLO" or verb == "HELO" or verb == "STARTTLS" then asked, offers = verb, {} end
    elseif asked == "EHLO" then
      local keyword, last = text:match("^250[ -]([%w-]+)"), text:match("^%d%d%d ")
      if keyword then offers[keyword:upper()] = true end
      if last then asked = nil end
    end
  end
  return list
end

--- A session as text, for the message of an assertion.
function sessions.text(session)
  return (session.host or "?") .. " and " .. session.source .. "\n" .. table.concat(session.dialogue, "\n")
end

return sessions
