-- The mail servers of a mail world: every host of the script, each a dialogue by RFC 5321's rules
-- with the replies, delays and misdeeds the script gives.
--
-- Takes no mail: DATA and BDAT are refused, and journalled under kinds of their own, because
-- nothing of ours may ever send them. Offers no TLS.
-- SPDX-License-Identifier: MIT
-- luacheck: std lua54
local net = require "world.net"

local smtp = {}
smtp.__index = smtp

local STEPS = { "wait", "silence", "close", "reset", "raw", "torn", "flood", "sequence" }

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
  data = "554 5.5.1 no data is taken here",
  bdat = "554 5.5.1 no data is taken here",
  unknown = "500 5.5.2 what?",
  order = "503 5.5.1 bad sequence of commands",
  many_rcpt = "452 4.5.3 too many recipients",
  many_mail = "421 4.7.0 too many transactions",
  path = "501 5.1.3 bad path",
}

local TLS_ALERT = "\21\3\1\0\2\2\70"
local HTTP_ERROR = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

function smtp.new(journal)
  return setmetatable({ journal = journal, next = 0, open = 0, most = 0, hosts = {} }, smtp)
end

-- Is it one step, and not a map of replies?
local function is_step(spec)
  for _, name in ipairs(STEPS) do
    if spec[name] ~= nil then
      return true
    end
  end
  return false
end

-- What a script says about a command with an argument: `spec` may be a reply, or a map of them by
-- whole address, "*@domain", "*".
local function pick(spec, key)
  if type(spec) ~= "table" or spec[1] ~= nil or is_step(spec) then
    return spec
  end
  local domain = key and key:match "@([^@]*)$"
  return spec[key or ""] or (domain and spec["*@" .. domain]) or spec["*"]
end

-- A line is sent as it stands; one with line feeds becomes a reply of several lines.
local function lines(text)
  local code, rest = text:match "^(%d%d%d)[ -](.*\n.*)$"
  if not code then
    return text .. "\r\n"
  end
  local out = {}
  for line in (rest .. "\n"):gmatch "(.-)\n" do
    out[#out + 1] = line:gsub("^" .. code .. "[ -]", "")
  end
  for i, line in ipairs(out) do
    out[i] = code .. (i < #out and "-" or " ") .. line .. "\r\n"
  end
  return table.concat(out)
end

local session = {}
session.__index = session

function session:tell(kind, event)
  event.kind, event.conn, event.host, event.ip = kind, self.id, self.host.name, self.host.ip
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
  close = function(self) self:leave "server" end,
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
    self:tell("reply", { text = "flood", flood = step.flood })
    local chunk = (step.with or "250-flood\r\n"):rep(1000)
    local left = step.flood
    while left > 0 do
      self.connection:write(chunk:sub(1, left))
      left = left - #chunk
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
      held = held .. lines(step)
    else
      if held ~= "" then
        self:send(held)
        held = ""
      end
      for _, name in ipairs(STEPS) do
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

-- The steps of a reply as a list.
local function steps(spec)
  if type(spec) ~= "table" or is_step(spec) then
    return { spec }
  end
  return spec
end

-- Did it accept? The state of the dialogue follows what was really said last.
local function accepts(list)
  for i = #list, 1, -1 do
    local step = list[i]
    local text = type(step) == "string" and step or step.torn or step.raw
    if text then
      return text:sub(1, 1) == "2"
    end
  end
  return false
end

--- Answer a command by its name in the script; `key` is the address it speaks of. True if the
-- answer was yes.
function session:reply(name, key)
  local script = self.host.script
  local spec = pick(script[name], key)
  if spec == nil then
    spec = DEFAULTS[name]:format(self.host.name)
  end
  spec = steps(self:turn(spec))
  if script.delay then
    self.connection:pause(script.delay)
  end
  self.connection:fill()
  if #self.connection.buffer > 0 and not self.pipelining then
    self:tell("early", { text = self.connection.buffer:match "^[^\r\n]*" })
  end
  self:perform(spec)
  return accepts(spec), spec
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

local command = {}

function command.EHLO(self)
  self.greeted, self.sender, self.recipients = true, nil, 0
  local _, said = self:reply "ehlo"
  self.pipelining = false
  for _, step in ipairs(said) do
    local text = type(step) == "string" and step or step.torn or step.raw or ""
    self.pipelining = self.pipelining or text:upper():find("PIPELINING", 1, true) ~= nil
  end
end

function command.HELO(self)
  self.greeted, self.sender, self.recipients, self.pipelining = true, nil, 0, false
  self:reply "helo"
end

function command.MAIL(self, argument)
  local sender = path(argument:match "^[Ff][Rr][Oo][Mm]:%s*<(.*)$" or "")
  if not self.greeted or self.sender then
    return self:reply "order"
  elseif not sender then
    return self:reply "path"
  end
  self.mails = self.mails + 1
  local most = self.host.script.max_mail
  if most and self.mails > most then
    self:reply "many_mail"
    self:leave "server"
  end
  if self:reply("mail", sender) then
    self.sender = sender
  end
end

function command.RCPT(self, argument)
  local recipient = path(argument:match "^[Tt][Oo]:%s*<(.*)$" or "")
  if not self.sender then
    return self:reply "order"
  elseif not recipient then
    return self:reply "path"
  end
  self.recipients = self.recipients + 1
  local most = self.host.script.max_rcpt
  if most and self.recipients > most then
    return self:reply "many_rcpt"
  end
  self:reply("rcpt", recipient)
end

function command.RSET(self)
  self.sender, self.recipients = nil, 0
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
function command.VRFY(self) self:reply "vrfy" end
function command.STARTTLS(self) self:reply "starttls" end

function session:hear(line)
  local text = line:gsub("\r?\n$", "")
  self:tell("line", { text = text, bare = line:sub(-2) ~= "\r\n" or nil })
  local verb, argument = text:match "^(%a+) ?(.*)$"
  local run = verb and command[verb:upper()]
  if run then
    run(self, argument)
  else
    self:reply "unknown"
  end
end

function session:talk()
  local script = self.host.script
  if script.tls_instead or script.http_instead then
    self:send(script.tls_instead and TLS_ALERT or HTTP_ERROR)
    self:leave "server"
  end
  self:reply "greeting"
  if script.early then
    self:perform(steps(script.early))
  end
  while true do
    self:hear(self.connection:read())
  end
end

-- From accept to close; what the client said and nobody answered is journalled too.
function session:run()
  local connection = self.connection
  self:tell("connect", { peer = connection.peer })
  local ok, err = xpcall(self.talk, function(e)
    return e == net.gone and e or debug.traceback(tostring(e), 2)
  end, self)
  if not self.left and err == net.gone then
    connection:fill()
    for line in connection.buffer:gmatch "[^\n]*\n" do
      self:tell("line", { text = (line:gsub("\r?\n$", "")), unanswered = true })
    end
  end
  connection:close(self.left == "reset")
  self.world.open = self.world.open - 1
  self.host.open = self.host.open - 1
  self:tell("close", { by = self.left or "client" })
  if not ok and err ~= net.gone then
    error(err, 0)
  end
end

--- Serve a host's address; `spawn` runs a function in a coroutine of the loop.
function smtp:serve(host, listener, spawn)
  net.accept(listener, function(connection)
    self.next = self.next + 1
    self.open, host.open = self.open + 1, host.open + 1
    self.most, host.most = math.max(self.most, self.open), math.max(host.most, host.open)
    local one = setmetatable({
      world = self, host = host, id = self.next, connection = connection, mails = 0, recipients = 0,
    }, session)
    spawn(function() one:run() end)
  end)
end

return smtp
