--- Replays a transcript against the sans-I/O client.
--
-- A transcript is lines of
--   # text         why it is there
--   ! key=value    an option of core.client (helo, sender, greeting_only)
--   S: text        the server says it, with CRLF
--   s: text        the server says it, and no more than it
--   C: text        the client must say it, with CRLF; C lines in a row are said in one breath
--   > ask ADDRESS  the carrier asks, verifies, has shaken hands, quits, or loses the connection with a code
--   > vrfy ADDRESS
--   > secured
--   > quit
--   > lost CODE
--   = event        what must be heard: "ready", "answer STAGE CODE [ENHANCED] REASON", "end" likewise
--                  or "end ERROR", "refused ERROR" (of ask, vrfy), "tls" (a handshake is wanted),
--                  "question", "done" and "done ERROR"
-- In S and s lines \r \n \0 \\ and \xHH are bytes, and \{2000 x} is two thousand x.
-- @module spec.support.dialogue
local core = require "rcpt.core"
local unescape = require("spec.support.vectors").unescape
local dialogue = {}

local kinds = {
  ["#"] = function() end,
  ["!"] = function(t, text)
    local key, value = text:match("^([%w_]+)=(.*)$")
    if value == "true" then value = true end
    t.options[assert(key, "an option is key=value")] = value
  end,
  ["S:"] = function(t, text) t[#t + 1] = { say = unescape(text) .. "\r\n" } end,
  ["s:"] = function(t, text) t[#t + 1] = { say = unescape(text) } end,
  [">"] = function(t, text)
    local verb, what = text:match("^(%w+) ?(.*)$")
    t[#t + 1] = { verb = verb, what = what }
  end,
  ["C:"] = function(t, text)
    t.expected[#t.expected + 1] = "C: " .. text
    t[#t + 1] = "a turn"
  end,
  ["="] = function(t, text)
    t.expected[#t.expected + 1] = "= " .. text
    t[#t + 1] = "a turn"
  end,
}

--- Read a transcript.
-- @tparam string text the whole file
-- @treturn table list of what the carrier does, with `options`, `expected` and `bytes` (of S)
function dialogue.parse(text)
  local t = { options = { helo = "probe.example", sender = "" }, expected = {}, bytes = 0 }
  local number = 0
  for line in text:gmatch("([^\n]*)\n") do
    number = number + 1
    if line ~= "" then
      local mark, rest = line:match("^(%S+) ?(.*)$")
      assert(kinds[mark], "line " .. number .. ": unknown mark")(t, rest)
    end
  end
  -- what the server says in one go comes in one piece
  local joined = { options = t.options, expected = t.expected, bytes = 0 }
  local is_new = true
  for _, step in ipairs(t) do
    if step == "a turn" then
      is_new = true
    elseif step.say and not is_new then
      joined[#joined].say = joined[#joined].say .. step.say
      joined.bytes = joined.bytes + #step.say
    else
      joined[#joined + 1] = step
      joined.bytes = joined.bytes + #(step.say or "")
      is_new = not step.say
    end
  end
  return joined
end

--- What a reply means, in one line.
local function describe(event, client)
  local err, reply = client:err(), client:reply()
  if event == "ready" then return "= ready" end
  if err then return ("= %s %s"):format(event, err) end
  local reason = core.classify(reply)
  return ("= %s %s %d %s%s"):format(event, reply.stage, reply.code,
    reply.enhanced and reply.enhanced .. " " or "", reason)
end

-- Write what is to be written, at most `most` bytes at a time. What went in one go, and what was on
-- offer then, is kept in `log.breaths`.
local function write_all(client, log, most)
  local said = ""
  while true do
    local want, data = client:next()
    if want ~= "write" then break end
    local n = math.min(#data, most)
    said = said .. data:sub(1, n)
    client:wrote(n)
  end
  local breath = { offers = client:offers() }
  for line in said:gmatch("(.-)\r\n") do
    log[#log + 1] = "C: " .. line
    breath[#breath + 1] = line
  end
  if breath[1] then log.breaths[#log.breaths + 1] = breath end
  assert(said == "" or said:find("\r\n$"), "a command without its end")
end

local function feed(client, log, bytes)
  while #bytes > 0 do
    local used, heard, _, taken = client:feed(bytes)
    if not used then
      heard, used = "end", taken
    end
    assert(used > 0, "feed took nothing")
    bytes = bytes:sub(used + 1)
    if heard ~= "nothing" and heard ~= "reply" then log[#log + 1] = describe(heard, client) end
  end
end

local verbs = {
  ask = function(client, log, what)
    local ok, _, code = client:ask(unescape(what))
    if not ok then log[#log + 1] = "= refused " .. code end
  end,
  vrfy = function(client, log, what)
    local ok, _, code = client:vrfy(unescape(what))
    if not ok then log[#log + 1] = "= refused " .. code end
  end,
  secured = function(client) assert(client:secured()) end,
  quit = function(client) client:quit() end,
  lost = function(client, _, what) client:lost(what) end,
}

--- Replay it.
-- @tparam table t of dialogue.parse
-- @tparam function cut given the place of a byte of S (from 1), says whether a cut follows it
-- @tparam[opt=huge] number most bytes written at once
-- @treturn table lines "C: ..." and "= ..." in the order they came
-- @treturn userdata the client, at its end
-- @treturn table what was written in one go: lists of lines, with `offers`, what was on offer then
function dialogue.replay(t, cut, most)
  local client = assert(core.client(t.options))
  local log, at = { breaths = {} }, 0
  for _, step in ipairs(t) do
    if step.say then
      local from = 1
      for i = 1, #step.say do
        at = at + 1
        if i == #step.say or cut(at) then
          feed(client, log, step.say:sub(from, i))
          from = i + 1
        end
      end
    else
      verbs[step.verb](client, log, step.what)
    end
    write_all(client, log, most or math.huge)
    if client:next() == "tls" then log[#log + 1] = "= tls" end
  end
  local last = client:next()
  local err = client:err()
  log[#log + 1] = "= " .. last .. (err and " " .. err or "")
  local breaths = log.breaths
  log.breaths = nil
  return log, client, breaths
end

local HELLO = "S: 220 mx\nC: EHLO probe.example\nS: 250 mx\n"

--- A client that wants a question.
-- @tparam[opt] string hello the transcript so far; a server that offers nothing
-- @tparam[opt] table options of core.client, over helo and the null sender
function dialogue.idle(hello, options)
  local t = dialogue.parse(hello or HELLO)
  for k, v in pairs(options or {}) do t.options[k] = v end
  local _, client = dialogue.replay(t, function() return false end)
  assert(client:next() == "question", "it wants no question")
  return client
end

--- Read and parse a file.
function dialogue.load(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return dialogue.parse(text)
end

return dialogue
