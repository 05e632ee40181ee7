-- The mail servers of a mail world: every host of the script, each a dialogue by RFC 5321's rules
-- with the replies, delays, limits and misdeeds the script gives. What a reply is: world/reply.lua;
-- what follows the 220 of STARTTLS: world/tls.lua.
--
-- Takes no mail: DATA and BDAT are refused, and journalled under kinds of their own, because
-- nothing of ours may ever send them.
-- SPDX-License-Identifier: MIT
-- luacheck: std lua54
local cqueues = require "cqueues"
local net = require "world.net"
local reply = require "world.reply"
local tls = require "world.tls"

local smtp = {}
smtp.__index = smtp

local DEFAULTS = {
  greeting = "220 %s ESMTP",
  ehlo = "250-%s\n250-PIPELINING\n250-ENHANCEDSTATUSCODES\n250 SMTPUTF8",
  helo = "250 %s",
  mail = "250 2.1.0 ok",
  rcpt = "550 5.1.1 no such user here",
  rset = "250 2.0.0 ok",
  noop = "250 2.0.0 ok",
  vrfy = "252 2.5.0 cannot say",
  quit = "221 2.0.0 bye",
  starttls = "502 5.5.1 not implemented",
  starttls_now = "220 2.0.0 ready to start TLS",
  starttls_first = "530 5.7.0 Must issue a STARTTLS command first",
  data = "554 5.5.1 no data is taken here",
  bdat = "554 5.5.1 no data is taken here",
  unknown = "500 5.5.2 what?",
  order = "503 5.5.1 bad sequence of commands",
  max_rcpt_reply = "452 4.5.3 too many recipients",
  max_rcpt_transaction_reply = "452 4.5.3 too many recipients",
  max_mail_reply = "421 4.7.0 too many transactions",
  max_connections_reply = "421 4.7.0 too many connections from %s",
  max_refusals_reply = "421 4.7.0 too many errors",
  one_rcpt_null_sender_reply = "452 4.5.3 one recipient only for the null sender",
  idle_reply = "421 4.4.2 idle for too long",
  path = "501 5.1.3 bad path",
}

local FLOOD_CHUNK = 65536 -- octets of a flood held at once
local TLS_ALERT = "\21\3\1\0\2\2\70"

-- Commands that must be the last of a group of pipelined ones.
local LAST = { ehlo = true, helo = true, vrfy = true, noop = true, quit = true, starttls = true, data = true }
local HTTP_ERROR = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

--- Mail servers that tell `journal` and speak TLS by `security` (world/tls.lua).
function smtp.new(journal, security)
  return setmetatable({
    journal = journal, tls = security, next = 0, open = 0, most = 0, hosts = {},
  }, smtp)
end

local session = {}
session.__index = session

function session:tell(kind, event)
  event.kind, event.conn, event.host, event.ip = kind, self.id, self.host.name, self.host.ip
  event.tls = self.secured
  self.world.journal:add(event)
end

function session:send(octets)
  self:tell("reply", { text = (octets:gsub("\r?\n$", "")) })
  self.connection:write(octets)
end

function session:leave(how)
  self.left = how
  error(net.gone, 0)
end

local act = {
  wait = function(self, step) self.connection:pause(step.wait) end,
  silence = function(self) self.connection:pause(nil) end,
  close = function(self, step) self:leave(step.close == "bare" and "bare" or "server") end,
  reset = function(self) self:leave "reset" end,
  raw = function(self, step) self:send(step.raw) end,
  torn = function(self, step)
    self:tell("reply", { text = (step.torn:gsub("\r?\n$", "")), torn = #step.torn })
    for i = 1, #step.torn do
      self.connection:write(step.torn:sub(i, i))
      self.connection:pause(step.every or 0.001)
    end
  end,
  flood = function(self, step)
    local endless = step.flood == true
    self:tell("reply", { text = "flood", flood = not endless and step.flood or nil, endless = endless or nil })
    local one = step.with or "250-flood\r\n"
    local chunk = step.every and one or one:rep(math.max(1, FLOOD_CHUNK // #one))
    local left = endless and math.huge or step.flood
    while left > 0 do
      self.connection:write(left < #chunk and chunk:sub(1, math.tointeger(left)) or chunk)
      left = left - #chunk
      if step.every then
        self.connection:pause(step.every)
      else
        cqueues.sleep(0) -- the others' turn: one who reads fast never makes us wait
      end
    end
  end,
}

-- The n-th time a sequence is asked, its n-th reply; the last stays.
function session:turn(spec)
  while type(spec) == "table" and spec.sequence do
    local seen = self.host.seen
    seen[spec] = (seen[spec] or 0) + 1
    spec = spec.sequence[math.min(seen[spec], #spec.sequence)]
  end
  return spec
end

-- Carry out the steps of a reply: lines that stand together leave in one write.
function session:perform(spec)
  local held = ""
  for _, step in ipairs(spec) do
    if type(step) == "string" then
      held = held .. reply.lines(step)
    else
      if held ~= "" then
        self:send(held)
        held = ""
      end
      for _, name in ipairs(reply.STEPS) do
        if step[name] ~= nil then
          act[name](self, step)
        end
      end
    end
  end
  if held ~= "" then
    self:send(held)
  end
end

-- What the script has for a command: inside TLS, `tls.<name>_after` comes first.
function session:scripted(name, key)
  local script, ways = self.host.script, self.ways
  local spec
  if self.secured then
    spec = reply.pick(ways[name .. "_after"], key)
  end
  if spec == nil then
    spec = reply.pick(script[name], key)
    if spec and name == "ehlo" and self.secured and type(spec) == "string" then
      spec = reply.without_starttls(spec)
    end
  end
  if spec == nil then
    local about = name == "max_connections_reply" and self.connection.peer:match "^(.*):" or self.host.name
    spec = DEFAULTS[name]:format(about)
    if name == "ehlo" and ways and not self.secured then
      spec = spec:gsub("\n", "\n250-STARTTLS\n", 1)
    end
  end
  return reply.steps(self:turn(spec))
end

-- Out of turn: something came before the reply to the command was said, and PIPELINING was not
-- offered or the command is one that ends a group (RFC 2920 3.1).
function session:watch_turn(name)
  self.connection:fill()
  if #self.connection.buffer > 0 and (not self.pipelining or LAST[name]) then
    self:tell("early", { text = self.connection.buffer:match "^[^\r\n]*" })
  end
end

--- Answer a command by its name in the script; `key` is the address it speaks of. True if the
-- answer was yes.
function session:reply(name, key, steps)
  steps = steps or self:scripted(name, key)
  if self.host.script.delay then
    self.connection:pause(self.host.script.delay)
  end
  self:watch_turn(name)
  self:perform(steps)
  return reply.accepts(steps), steps
end

-- Answer with a limit's reply; one that says 421 closes, as RFC 5321 3.8 has it.
function session:limit(name)
  local _, said = self:reply(name)
  if reply.text(said):find "^421" then
    self:leave "server"
  end
end

-- Answer MAIL or RCPT; true if the answer was yes. A refusal counts, and may be the last word.
function session:judge(name, key)
  if self:reply(name, key) then
    return true
  end
  self.refusals = self.refusals + 1
  if self.host.script.close_after_refusal then
    self:leave "server"
  end
  return false
end

-- The path of MAIL and RCPT: up to the '>' that no quotes enclose.
local function path(argument)
  local at, quoted = 1, false
  while at <= #argument do
    local c = argument:sub(at, at)
    if c == "\\" then
      at = at + 1
    elseif c == '"' then
      quoted = not quoted
    elseif c == ">" and not quoted then
      return argument:sub(1, at - 1), argument:sub(at + 1)
    end
    at = at + 1
  end
end

-- Parameters of MAIL and RCPT whose extension has another name.
local EXTENSIONS = { BODY = "8BITMIME", RET = "DSN", ENVID = "DSN", NOTIFY = "DSN", ORCPT = "DSN" }

-- Tell of the parameters that were not offered.
function session:check_parameters(text)
  for word in (text or ""):gmatch "%S+" do
    local name = word:match("^[^=]*"):upper()
    if not self.offers[EXTENSIONS[name] or name] then
      self:tell("unoffered", { text = word })
    end
  end
end

local command = {}

-- A new beginning: of the session, or of its part inside TLS (RFC 3207 4.2).
function session:forget()
  self.sender, self.in_transaction, self.pipelining, self.offers = nil, 0, false, {}
end

function command.EHLO(self)
  self:forget()
  self.greeted = true
  local _, said = self:reply "ehlo"
  local first = true
  for line in (reply.text(said) .. "\n"):gmatch "(.-)\r?\n" do
    local word = line:gsub("^%d%d%d[ -]", ""):match "^%S+"
    if word and not first then
      self.offers[word:upper()] = true
    end
    first = false
  end
  self.pipelining = self.offers.PIPELINING
end

function command.HELO(self)
  self:forget()
  self.greeted = true
  self:reply "helo"
end

function command.STARTTLS(self)
  local ways = self.ways
  if not self.offers.STARTTLS then
    self:tell("unoffered", { text = "STARTTLS" })
  end
  if not ways or self.host.script.starttls then
    return self:reply "starttls"
  elseif self.secured or not self.greeted then
    return self:reply "order"
  elseif ways.refuse then
    return self:reply("starttls", nil, reply.steps(self:turn(ways.refuse)))
  end
  local steps = self:scripted "starttls_now"
  if ways.inject then -- in one segment
    steps = { { raw = steps[1] .. "\r\n" .. ways.inject } }
  end
  self:reply("starttls", nil, steps)
  local facts = self.world.tls:start(self, ways)
  self:forget()
  self.secured, self.greeted, self.connection.buffer = true, false, ""
  self:tell("tls", facts)
end

function command.MAIL(self, argument)
  local sender, parameters = path(argument:match "^[Ff][Rr][Oo][Mm]:%s*<(.*)$" or "")
  if not self.greeted or self.sender then
    return self:reply "order"
  elseif not sender then
    return self:reply "path"
  end
  self:check_parameters(parameters)
  self.mails = self.mails + 1
  local most = self.host.script.max_mail
  if most and self.mails > most then
    self:reply "max_mail_reply"
    self:leave "server"
  end
  if self:judge("mail", sender) then
    self.sender = sender
  end
end

function command.RCPT(self, argument)
  local script = self.host.script
  local recipient, parameters = path(argument:match "^[Tt][Oo]:%s*<(.*)$" or "")
  if not self.sender then
    return self:reply "order"
  elseif not recipient then
    return self:reply "path"
  end
  self:check_parameters(parameters)
  self.recipients, self.in_transaction = self.recipients + 1, self.in_transaction + 1
  if script.max_rcpt and self.recipients > script.max_rcpt then
    return self:limit "max_rcpt_reply"
  elseif script.max_rcpt_transaction and self.in_transaction > script.max_rcpt_transaction then
    return self:limit "max_rcpt_transaction_reply"
  elseif script.one_rcpt_null_sender and self.sender == "" and self.in_transaction > 1 then
    return self:limit "one_rcpt_null_sender_reply"
  end
  self:judge("rcpt", recipient)
end

function command.RSET(self)
  self.sender, self.in_transaction = nil, 0
  self:reply "rset"
end

function command.QUIT(self)
  self:reply "quit"
  self:leave "server"
end

function command.DATA(self, argument)
  self:tell("DATA", { text = argument })
  self:reply "data"
end

function command.BDAT(self, argument)
  self:tell("BDAT", { text = argument })
  self:reply "bdat"
  self:leave "server"
end

function command.NOOP(self) self:reply "noop" end

-- The address with or without brackets, and perhaps SMTPUTF8 behind it (RFC 6531 3.7.4.2).
function command.VRFY(self, argument)
  local address, parameters = argument:match "^<?(.-)>?( [Ss][Mm][Tt][Pp][Uu][Tt][Ff]8)$"
  self:check_parameters(parameters)
  self:reply("vrfy", address or argument:match "^<?(.-)>?$")
end

-- What a host that requires TLS takes without it (RFC 3207 4).
local CLEAR = { EHLO = true, HELO = true, NOOP = true, QUIT = true, STARTTLS = true }

function session:hear(line)
  local text = line:gsub("\r?\n$", "")
  self:tell("line", { text = text, bare = line:sub(-2) ~= "\r\n" or nil })
  local verb, argument = text:match "^(%a+) ?(.*)$"
  verb = verb and verb:upper()
  local most = self.host.script.max_refusals
  if most and self.refusals >= most and verb ~= "QUIT" then
    self:reply "max_refusals_reply"
    self:leave "server"
  elseif self.ways and self.ways.require and not self.secured and not CLEAR[verb] then
    self:reply "starttls_first"
  elseif command[verb] then
    command[verb](self, argument)
  else
    self:reply "unknown"
  end
end

-- Is it one of the first `most` at once? Those that have just left are not counted any more.
function session:admit(most)
  if most and self.host.admitted >= most then
    cqueues.sleep(0)
    cqueues.sleep(0)
  end
  if most and self.host.admitted >= most then
    return false
  end
  self.host.admitted, self.admitted = self.host.admitted + 1, true
  return true
end

function session:talk()
  local script = self.host.script
  self.ways = tls.ways(script)
  if script.tls_instead or script.http_instead then
    self:send(script.tls_instead and TLS_ALERT or HTTP_ERROR)
    self:leave "server"
  elseif not self:admit(script.max_connections) then
    self:reply "max_connections_reply"
    self:leave "server"
  end
  self:reply "greeting"
  if script.early then
    self:perform(reply.steps(script.early))
  end
  while true do
    local line = self.connection:read(nil, script.idle)
    if not line then
      self:perform(self:scripted "idle_reply")
      self:leave "server"
    end
    self:hear(line)
  end
end

-- From accept to close; what the client said and nobody answered is journalled too.
function session:run()
  self:tell("connect", { peer = self.connection.peer })
  local ok, err = xpcall(self.talk, function(e)
    return e == net.gone and e or debug.traceback(tostring(e), 2)
  end, self)
  local connection = self.connection -- another than at first, where renegotiation is asked for
  if not self.left and err == net.gone then
    connection:fill()
    for line in connection.buffer:gmatch "[^\n]*\n" do
      self:tell("line", { text = (line:gsub("\r?\n$", "")), unanswered = true })
    end
  end
  connection:close((self.left == "reset" or self.left == "bare") and self.left or nil)
  self.world.open = self.world.open - 1
  self.host.open = self.host.open - 1
  self.host.admitted = self.host.admitted - (self.admitted and 1 or 0)
  self:tell("close", { by = self.left == "bare" and "server" or self.left or "client", sent = connection.sent })
  if not ok and err ~= net.gone then
    error(err, 0)
  end
end

--- Serve a host's address; `spawn` runs a function in a coroutine of the loop.
function smtp:serve(host, listener, spawn)
  net.accept(listener, function(connection)
    self.next, host.total = self.next + 1, host.total + 1
    self.open, host.open = self.open + 1, host.open + 1
    self.most, host.most = math.max(self.most, self.open), math.max(host.most, host.open)
    local one = setmetatable({
      world = self, host = host, id = self.next, connection = connection, spawn = spawn,
      mails = 0, recipients = 0, in_transaction = 0, refusals = 0, pipelining = false, offers = {},
    }, session)
    spawn(function() one:run() end)
  end)
end

return smtp
