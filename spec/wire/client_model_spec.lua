-- The client against a model of a server that keeps its own books: whatever it offers and refuses, each
-- answer is the one to the address asked, and the books show no fault of ours.
local core = require "rcpt.core"

local DOMAINS = { "a.example", "A.Example", "b.example", "xa.example" }

-- A generator of our own: the same on every Lua, and printed when a case fails.
local function dice(seed)
  local state = seed
  return function(n)
    state = (state * 16807) % 2147483647
    return state % n + 1
  end
end

local Server = {}
Server.__index = Server

function Server.new(roll)
  local self = setmetatable({ roll = roll, faults = {}, mails = 0, limit = roll(6), is_fussy = roll(2) == 1 }, Server)
  self.offers = {}
  for _, keyword in ipairs { "PIPELINING", "SMTPUTF8", "8BITMIME", "VRFY", "STARTTLS" } do
    if roll(3) > 1 then self.offers[keyword] = true end
  end
  return self
end

function Server:fault(text, line)
  self.faults[#self.faults + 1] = text .. ": " .. line
end

function Server:ehlo()
  local lines = { "250-model" }
  for keyword in pairs(self.offers) do lines[#lines + 1] = "250-" .. keyword end
  lines[#lines + 1] = "250 HELP"
  return table.concat(lines, "\r\n")
end

local answers = {
  { "^EHLO ", function(self) return self:ehlo() end },
  { "^STARTTLS$", function(self, line)
    if not self.offers.STARTTLS or self.is_secured then self:fault("not offered", line) end
    if self.roll(3) == 1 then return "454 not now" end
    self.is_secured, self.offers = true, { PIPELINING = self.offers.PIPELINING }
    return "220 go"
  end },
  { "^RSET$", function(self)
    self.domain = nil
    return "250 reset"
  end },
  { "^MAIL FROM:<(.-)>(.*)$", function(self, line, _, parameters)
    if self.domain then self:fault("MAIL in a transaction", line) end
    if parameters:find("SMTPUTF8", 1, true) and not self.offers.SMTPUTF8 then self:fault("not offered", line) end
    if parameters:find("8BIT", 1, true) and not self.offers["8BITMIME"] then self:fault("not offered", line) end
    self.has_smtputf8 = parameters:find("SMTPUTF8", 1, true) ~= nil
    self.is_refused = self.roll(6) == 1
    if self.is_refused then return "550 5.7.1 not this sender" end
    self.mails, self.domain, self.count = self.mails + 1, "", 0
    return "250 sender ok"
  end },
  { "^RCPT TO:<(.*)>$", function(self, line, address)
    if not self.domain then
      if not (self.is_refused and self.offers.PIPELINING) then self:fault("RCPT without MAIL", line) end
      return self.is_fussy and "503 need MAIL" or "250 " .. address .. " is no answer"
    end
    local domain = address:match("@([^@]*)$"):lower()
    if self.domain ~= "" and self.domain ~= domain then self:fault("two domains", line) end
    if address:find("[\128-\255]") and not self.has_smtputf8 then self:fault("no SMTPUTF8 said", line) end
    self.domain, self.count = domain, self.count + 1
    if self.count > self.limit then return "452 4.5.3 too many, " .. address end
    return (self.roll(2) == 1 and "250 " or "550 5.1.1 ") .. address
  end },
  { "^VRFY (.-) ?S?M?T?P?U?T?F?8?$", function(self, line, address)
    if not self.offers.VRFY then self:fault("not offered", line) end
    return "252 " .. address
  end },
  { "^QUIT$", function(self)
    self.has_quit = true
    return "221 bye"
  end },
}

-- The replies to what was written in one go.
function Server:answer(breath)
  local replies, count = {}, 0
  for line in breath:gmatch("(.-)\r\n") do
    count = count + 1
    if self.has_quit then self:fault("after QUIT", line) end
    local reply
    for _, row in ipairs(answers) do
      local found = { line:match(row[1]) }
      if found[1] then
        reply = row[2](self, line, found[1], found[2])
        break
      end
    end
    if not reply then self:fault("what is that", line) end
    replies[#replies + 1] = (reply or "500 what") .. "\r\n"
  end
  if count > 1 and not self.offers.PIPELINING then self:fault("not offered", breath) end
  return table.concat(replies)
end

-- Carry the dialogue on until the client waits for us. The answers heard.
local function carry(client, server, roll, bytes)
  local heard = {}
  bytes = bytes or ""
  while true do
    local want, data = client:next()
    if bytes ~= "" then
      local used, what = client:feed(bytes:sub(1, roll(40)))
      assert(used, "the client says that it is no SMTP")
      bytes = bytes:sub(used + 1)
      if what == "answer" then heard[#heard + 1] = client:reply() end
      assert.not_equal("end", what)
    elseif want == "write" then
      bytes = server:answer(data)
      client:wrote(#data)
    elseif want == "tls" then
      client:secured()
    else
      assert.not_equal("read", want)
      return heard
    end
  end
end

describe("wire/client, against a model server,", function()
  for seed = 1, 60 do
    it("asks right and tells each answer on whom it was asked about, seed " .. seed, function()
      local roll = dice(seed * 7919)
      for _ = 1, 5 do roll(2) end
      local server = Server.new(roll)
      local client = core.client { helo = "probe.example", tls = ({ "off", "may" })[roll(2)],
        sender = ({ "", "probe@probe.example" })[roll(2)] }
      carry(client, server, roll, "220 model\r\n")
      for n = 1, 40 do
        local address = ("%s%d@%s"):format(roll(5) == 1 and "\195\188" or "u", n, DOMAINS[roll(#DOMAINS)])
        local kind = roll(6) == 1 and "vrfy" or "ask"
        local ok, _, code = client[kind](client, address)
        if ok then
          local heard = carry(client, server, roll)
          assert.equal(1, #heard)
          if heard[1].stage == "mail" then
            assert.equal("not this sender", heard[1].text)
          else
            assert.equal(kind == "vrfy" and "vrfy" or "rcpt", heard[1].stage)
            assert.truthy(heard[1].text:find(address, 1, true), heard[1].text)
            assert.is_nil(heard[1].text:find "no answer")
            assert.not_equal(452, heard[1].code)
          end
        elseif kind == "vrfy" and code == "not_offered" then
          assert.is_nil(server.offers.VRFY)
        else
          assert.equal("smtputf8_unsupported", code)
          assert.is_nil(server.offers.SMTPUTF8)
        end
      end
      client:quit()
      carry(client, server, roll)
      assert.is_true(server.has_quit)
      assert.same({}, server.faults)
    end)
  end
end)
