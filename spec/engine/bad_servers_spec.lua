-- Servers as bad as they come: each is survived in bounded time and memory, its evidence is what it was,
-- and a session with a good server goes on meanwhile.
-- SPDX-License-Identifier: MIT
local Loop = require "spec.support.loop"
local World = require "spec.support.world"
local core = require "rcpt.core"

local USER = "user@a.example"
local WITNESS = "127.0.1.1"
local MIB = 12             -- memory one bad server may cost, sanitizers and their like not counted
local SHORT = 0.4          -- the patience with replies, where it is to run out
local is_watched = (os.getenv "RCPT_ASAN" or os.getenv "RCPT_VALGRIND") ~= nil

local function torn(text) return { torn = text .. "\r\n", every = 0.0005 } end
local function raw(octets) return { raw = octets } end
local GARBAGE = {}
for i = 0, 255 do
  GARBAGE[i + 1] = string.char(i)
end
GARBAGE = table.concat(GARBAGE)

local function drip()
  local steps = {}
  for i = 1, 60 do
    steps[2 * i - 1], steps[2 * i] = raw "250-wait\r\n", { wait = 0.05 }
  end
  return steps
end

-- What it does, its script, and what comes of it: how the session is lost (nil: it is not, or in so many words;
-- "*": one way or another), the stage, and the code of the answer, or of the last reply where the opening failed.
local CASES = {
  { "greets slowly", { greeting = { { wait = 0.2 }, "220 mx" } }, nil, "rcpt", 250 },
  { "greets too slowly", { greeting = { { wait = 3 }, "220 mx" } }, "timeout", "greeting" },
  { "is a tarpit", { delay = 0.1 }, nil, "rcpt", 250 },
  { "is a tarpit without end", { ehlo = drip() }, "timeout", "ehlo" },
  { "sends octet by octet",
    { greeting = torn "220 mx", ehlo = torn "250-mx\r\n250 PIPELINING", mail = torn "250 ok",
      rcpt = torn "550-5.1.1 no\r\n550 5.1.1 no" },
    nil, "rcpt", 550 },
  { "ends lines with a bare LF",
    { greeting = raw "220-mx\n220 mx\n", ehlo = raw "250-mx\n250 8BITMIME\n", mail = raw "250 ok\n",
      rcpt = raw "250-ok\n250 ok\n" },
    nil, "rcpt", 250 },
  { "ends lines with CR CR LF", { rcpt = raw "250 ok\r\r\n" }, nil, "rcpt", 250 },
  { "has an over-long line", { rcpt = raw("250 " .. ("x"):rep(20000) .. "\r\n") }, nil, "rcpt", 250 },
  { "greets with 64 KiB", { greeting = raw("220 " .. ("x"):rep(65536 - 6) .. "\r\n") }, nil, "rcpt", 250 },
  { "greets with an octet more", { greeting = raw("220 " .. ("x"):rep(65536 - 5) .. "\r\n") },
    "toolong", "greeting" },
  { "greets with many lines", { greeting = { flood = 65536, with = "220-x\r\n" } }, "toolong", "greeting" },
  { "never ends its reply", { ehlo = { flood = true, with = "250-x\r\n" } }, "toolong", "ehlo" },
  { "never ends its line", { ehlo = { flood = true, with = "250 xxxxxxxxxxxx" } }, "toolong", "ehlo" },
  { "sends 100 MB of replies", { rcpt = { flood = 100000000, with = "250 ok\r\n" } }, "proto", "rcpt", 250 },
  { "sends 100 MB of one reply", { rcpt = { flood = 100000000, with = "550-5.1.1 no such user\r\n" } },
    "toolong", "rcpt" },
  { "sends 100 MB of nothing", { rcpt = { flood = 100000000, with = "\r\n" } }, "proto", "rcpt" },
  { "disagrees with itself", { rcpt = raw "250-welcome\r\n450 4.7.1 later\r\n" }, nil, "rcpt", 450 },
  { "disagrees with itself at EHLO", { ehlo = raw "250-mx\r\n550 no\r\n", helo = "250 mx" }, nil, "rcpt", 250 },
  { "sends binary garbage for a greeting", { greeting = raw(GARBAGE .. "\r\n") }, "proto", "greeting" },
  { "sends binary garbage for an answer", { rcpt = raw(GARBAGE .. "\r\n") }, "proto", "rcpt" },
  { "sends binary garbage in its text", { rcpt = raw("250 " .. GARBAGE:gsub("[\r\n]", "") .. "\r\n") },
    nil, "rcpt", 250 },
  { "sends a code that is none", { rcpt = raw "999 ok\r\n" }, "proto", "rcpt" },
  { "says 421 for a greeting", { greeting = "421 4.3.2 bye" }, nil, "greeting", 421 },
  { "says 421 to EHLO", { ehlo = "421 4.3.2 bye" }, nil, "ehlo", 421 },
  { "says 421 to HELO", { ehlo = "500 what", helo = "421 4.3.2 bye" }, nil, "helo", 421 },
  { "says 421 to STARTTLS", { tls = { refuse = "421 4.3.2 bye" } }, nil, "starttls", 421 },
  { "says 421 to EHLO within TLS", { tls = { ehlo_after = "421 4.3.2 bye" } }, nil, "ehlo", 421 },
  { "says 421 to MAIL", { mail = "421 4.3.2 bye" }, nil, "mail", 421 },
  { "says 421 to RCPT", { rcpt = "421 4.3.2 bye" }, nil, "rcpt", 421 },
  { "says 421 to RCPT within TLS", { tls = { rcpt_after = "421 4.3.2 bye" } }, nil, "rcpt", 421 },
  { "says 421 and hangs up", { rcpt = { "421 4.3.2 bye", { close = true } } }, nil, "rcpt", 421 },
  { "says 421 and resets", { mail = { "421 4.3.2 bye", { wait = 0.05 }, { reset = true } } }, nil, "mail", 421 },
  { "replies before it is asked", { early = "250 go ahead" }, "proto", "ehlo" },
  { "refuses before it is asked", { early = "550 no" }, "*" },
  { "is a web server", { http_instead = true }, "proto", "greeting" },
  { "speaks TLS at once", { tls_instead = true }, "proto", "greeting" },
  { "stalls in the handshake", { tls = { stall = "handshake" } }, "tls", "starttls", 220 },
  { "stalls within a record", { tls = { stall = "record" } }, "tls", "starttls", 220 },
  { "sends garbage for a handshake", { tls = { garbage = GARBAGE } }, "tls", "starttls", 220 },
  { "has a certificate of 10 MB", { tls = { cert = "big" } }, "tls", "starttls", 220 },
  { "has one of 10 MB and TLS 1.2", { tls = { cert = "big", versions = "TLSv1.2" } }, "tls", "starttls", 220 },
  { "wants to renegotiate", { tls = { renegotiate = true } }, "tls" },
  { "floods within TLS", { tls = { rcpt_after = { flood = 100000000, with = "250-x\r\n" } } }, "toolong", "rcpt" },
}
for _, how in ipairs { { "hangs up", { close = true }, "eof" }, { "resets", { reset = true }, "reset" } } do
  for _, at in ipairs { "greeting", "ehlo", "mail", "rcpt" } do
    CASES[#CASES + 1] = { how[1] .. " at " .. at,       -- not before we know that it took the connection
      { ehlo = "250-mx\n250 SIZE", [at] = { { wait = at == "greeting" and 0.05 or 0 }, how[2] } }, how[3], at }
    CASES[#CASES + 1] = { how[1] .. " in the middle of its reply to " .. at,
      { [at] = { raw "250-ok\r\n25", { wait = 0.03 }, how[2] } }, how[3] }
  end
  CASES[#CASES + 1] = { how[1] .. " at STARTTLS", { tls = { refuse = how[2] } }, how[3], "starttls" }
  CASES[#CASES + 1] = { how[1] .. " in the handshake", { tls = { [next(how[2])] = true } }, "tls", "starttls", 220 }
  CASES[#CASES + 1] = { how[1] .. " at EHLO within TLS", { tls = { ehlo_after = how[2] } }, how[3], "ehlo" }
  CASES[#CASES + 1] = { how[1] .. " at RCPT within TLS", { tls = { rcpt_after = how[2] } }, how[3], "rcpt" }
end

describe("a bad server (#timed) that", function()
  local world, loop, witness

  setup(function()
    local hosts = { { ip = WITNESS, name = "mx.good.example", rcpt = { [USER] = "250 2.1.5 ok" } } }
    for i, case in ipairs(CASES) do
      local script = case[2]
      script.ip, script.name = "127.0.2." .. i, "bad" .. i .. ".a.example"
      script.rcpt = script.rcpt or { [USER] = "250 2.1.5 ok" }
      hosts[#hosts + 1] = script
    end
    world = World.start { hosts = hosts }
    loop = Loop.new()
  end)

  teardown(function()
    loop:close()
    world:stop()
  end)

  local function open(to, name)
    return loop.engine:open { to = { to }, port = world.port, helo = "probe.example", sender = "user@probe.example",
      connect = 5, greeting = SHORT, reply = SHORT, tls = "may", name = name, transcript = true }
  end

  before_each(function()
    witness = witness and witness:ready() and witness or assert(loop:await(open(WITNESS)))
  end)

  -- The end of a job, while the witness is asked again and again: how often it answered, and the longest it took.
  local function await(job)
    local answered, slowest = 0, 0
    local asked, since = witness:rcpt(USER), core.now()
    loop:run(function()
      if loop.done[asked] then
        assert.equal(250, loop:await(asked).code)
        answered, slowest = answered + 1, math.max(slowest, core.now() - since)
        asked, since = witness:rcpt(USER), core.now()
      end
      return loop.done[job]
    end)
    assert.equal(250, loop:await(asked).code)
    return loop.done[job][1], loop.done[job][3], answered + 1, math.max(slowest, core.now() - since)
  end

  for i, case in ipairs(CASES) do
    local err, stage, code = case[3], case[4], case[5]
    it(case[1], function()
      local fds, before, started = Loop.descriptors(), Loop.memory(), core.now()
      local session, _, answered, slowest = await(assert(open("127.0.2." .. i, "bad" .. i .. ".a.example")))
      local reply, lost
      if session:ready() then
        local n, slow
        reply, lost, n, slow = await(assert(session:rcpt(USER)))
        answered, slowest = answered + n, math.max(slowest, slow)
      end
      local used, took = Loop.memory() - before, core.now() - started
      if reply and err then          -- an answer that came in time is one, whatever came behind it
        loop:run(function() return not session:ready() end)
      end
      local e = session:evidence()
      session:quit()
      if err ~= "*" then
        assert.equal(err, e.err)
        assert.equal(stage or e.stage, e.stage)
        assert.equal(lost and err, lost)
      end
      if code then
        assert.equal(code, (reply or e.replies[#e.replies]).code)
      else
        assert.falsy(reply)
      end
      assert.is_true(#e.replies <= 12 and #e.transcript <= 32768)
      assert.is_true(took < 4, "took " .. took)
      assert.is_true(is_watched or used < MIB, "used " .. used .. " MiB")
      assert.is_true(answered >= 1 and slowest < SHORT, ("witness: %d, %.3f s"):format(answered, slowest))
      assert.equal(fds, Loop.descriptors())
    end)
  end

  it("floods is not listened to for long", function()
    local closed, most = 0, 0
    for _, event in ipairs(world:journal()) do
      if event.kind == "close" then
        closed, most = closed + 1, math.max(most, tonumber(event.sent))
      end
    end
    assert.is_true(closed > #CASES / 2)
    -- what the kernels of both ends hold, and what was read before it was clear
    assert.is_true(most < 20000000, "sent " .. most)
  end)

  it("was any of these was told neither DATA nor BDAT, nor anything it did not offer", function()
    assert.equal(0, world:count("DATA", ".") + world:count("BDAT", ".") + world:count("unoffered", "."))
  end)
end)
