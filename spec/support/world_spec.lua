-- The fakes themselves: what a script of spec/support/world.lua promises is what a socket sees.
-- SPDX-License-Identifier: MIT
local socket = require "socket"
local World = require "spec.support.world"

local char = string.char

-- A question in octets.
local function question(name, number, id)
  local labels = name:gsub("([^.]+)%.?", function(label) return char(#label) .. label end)
  return char(id or 7, 9) .. "\1\0\0\1\0\0\0\0\0\0" .. labels .. "\0" .. char(0, number, 0, 1)
end

local function u16(s, at) return s:byte(at) * 256 + s:byte(at + 1) end

local function read_answer(octets)
  return octets and {
    octets = octets, id = u16(octets, 1), rcode = octets:byte(4) % 16,
    truncated = math.floor(octets:byte(3) / 2) % 2 == 1, answers = u16(octets, 7), authority = u16(octets, 9),
  }
end

local TYPES = { A = 1, CNAME = 5, MX = 15, TXT = 16, AAAA = 28 }

local function port_of(server) return tonumber(server:match ":(%d+)$") end

local function ask(server, name, kind, patience)
  local s = socket.udp()
  s:settimeout(patience or 5)
  s:setpeername("127.0.0.1", port_of(server))
  s:send(question(name, TYPES[kind]))
  local octets, err = s:receive()
  s:close()
  return read_answer(octets), err
end

local function ask_tcp(server, name, kind)
  local s = assert(socket.connect("127.0.0.1", port_of(server)))
  s:settimeout(5)
  local q = question(name, TYPES[kind])
  s:send(char(0, #q) .. q)
  local size = u16(assert(s:receive(2)), 1)
  local octets = s:receive(size)
  s:close()
  return read_answer(octets)
end

describe("the name server of a mail world", function()
  local w

  setup(function()
    w = World.start {
      zones = {
        ["company.example"] = {
          MX = { { 10, "mx.company.example" } }, TXT = { "one", { "two", "strings" } }, negative_ttl = 2,
        },
        ["mx.company.example"] = { A = { "127.0.1.1", { "127.0.1.2", ttl = 5 } } },
        ["mx6.company.example"] = { AAAA = "::ffff:127.0.0.1" },
        ["alias.company.example"] = { CNAME = "mx.company.example" },
        ["loop.company.example"] = { CNAME = "loop.company.example" },
        ["deep.down.company.example"] = { A = "127.0.1.1" },
        ["*.many.example"] = { A = "127.0.1.9" },
        ["bare.example"] = { without_soa = true },
        ["once.example"] = { A = "127.0.1.1", rcode = "SERVFAIL", times = 1 },
        ["half.example"] = { A = "127.0.1.1", on = { AAAA = { rcode = "REFUSED" } } },
        ["late.example"] = { A = "127.0.1.1", delay = 0.05 },
        ["mute.example"] = { A = "127.0.1.1", silent = true },
        ["cut.example"] = { A = "127.0.1.1", truncate = true },
        ["large.example"] = { TXT = { ("x"):rep(600) } },
        ["raw.example"] = { raw = "??\129\128\0\0\0\0" },
        ["spoof.example"] = { A = "127.0.1.1", wrong_id = true },
      },
      nameservers = { {}, { rcode = "SERVFAIL" }, { refuse = true } },
    }
  end)

  teardown(function() w:stop() end)

  it("answers with the records of the script", function()
    local a = ask(w.nameserver, "company.example", "MX")
    assert.same({ 0x0709, 0, 1, 0 }, { a.id, a.rcode, a.answers, a.authority })
    assert.truthy(a.octets:find("\0\10\2mx\7company\7example\0", 1, true))
  end)

  it("gives a record its own TTL where it has one", function()
    local a = ask(w.nameserver, "mx.company.example", "A")
    assert.truthy(a.octets:find("\0\0\1\44\0\4\127\0\1\1", 1, true))
    assert.truthy(a.octets:find("\0\0\0\5\0\4\127\0\1\2", 1, true))
  end)

  it("writes IPv6 addresses and texts of several strings", function()
    local a = ask(w.nameserver, "mx6.company.example", "AAAA")
    assert.truthy(a.octets:find(("\0"):rep(10) .. "\255\255\127\0\0\1", 1, true))
    a = ask(w.nameserver, "company.example", "TXT")
    assert.equal(2, a.answers)
    assert.truthy(a.octets:find("\3two\7strings", 1, true))
  end)

  it("denies an unlisted name with the SOA of the topmost name above it", function()
    local a = ask(w.nameserver, "nobody.mx.company.example", "A")
    assert.same({ 3, 0, 1 }, { a.rcode, a.answers, a.authority })
    -- owner company.example, SOA, IN, TTL 2: the apex's negative_ttl
    assert.truthy(a.octets:find("\7company\7example\0\0\6\0\1\0\0\0\2", 1, true))
    assert.equal(2, a.octets:byte(-1))
  end)

  it("denies a type the name has not, and a name that only branches, without NXDOMAIN", function()
    local a = ask(w.nameserver, "company.example", "AAAA")
    assert.same({ 0, 0, 1 }, { a.rcode, a.answers, a.authority })
    a = ask(w.nameserver, "down.company.example", "A")
    assert.same({ 0, 0, 1 }, { a.rcode, a.answers, a.authority })
  end)

  it("denies without SOA where told to, below the apex too", function()
    assert.equal(0, ask(w.nameserver, "bare.example", "A").authority)
    assert.same({ 3, 0 }, (function(a) return { a.rcode, a.authority } end)(
      ask(w.nameserver, "x.bare.example", "A")))
  end)

  it("follows an alias, and comes to an end on one that names itself", function()
    assert.equal(3, ask(w.nameserver, "alias.company.example", "A").answers)
    assert.equal(1, ask(w.nameserver, "alias.company.example", "CNAME").answers)
    assert.equal(16, ask_tcp(w.nameserver, "loop.company.example", "A").answers)
  end)

  it("answers for names under a wildcard", function()
    assert.equal(1, ask(w.nameserver, "a.many.example", "A").answers)
    assert.equal(1, ask(w.nameserver, "A.B.Many.Example", "A").answers)
    assert.equal(0, ask(w.nameserver, "many.example", "A").answers)
  end)

  it("misbehaves so many times, then no more", function()
    assert.equal(2, ask(w.nameserver, "once.example", "A").rcode)
    assert.equal(0, ask(w.nameserver, "once.example", "A").rcode)
  end)

  it("misbehaves for one type alone", function()
    assert.equal(5, ask(w.nameserver, "half.example", "AAAA").rcode)
    assert.equal(1, ask(w.nameserver, "half.example", "A").answers)
  end)

  it("answers late, and meanwhile others", function()
    local start = socket.gettime()
    local slow = socket.udp()
    slow:setpeername("127.0.0.1", port_of(w.nameserver))
    slow:settimeout(5)
    slow:send(question("late.example", 1))
    assert.equal(1, ask(w.nameserver, "half.example", "A").answers)
    slow:settimeout(0)
    assert.is_nil(slow:receive())
    slow:settimeout(5)
    assert.equal(1, read_answer(slow:receive()).answers)
    assert.is_true(socket.gettime() - start >= 0.05)
    slow:close()
  end)

  it("is silent where told to, and says in the journal that it was asked", function()
    local _, err = ask(w.nameserver, "mute.example", "A", 0.05)
    assert.equal("timeout", err)
    assert.equal(1, w:count("query", "^mute%.example$"))
  end)

  it("truncates over UDP what is too long or told to be, and is whole over TCP", function()
    for _, name in ipairs { "cut.example", "large.example" } do
      local kind = name == "cut.example" and "A" or "TXT"
      local a = ask(w.nameserver, name, kind)
      assert.same({ true, 0 }, { a.truncated, a.answers }, name)
      a = ask_tcp(w.nameserver, name, kind)
      assert.same({ false, 1 }, { a.truncated, a.answers }, name)
    end
  end)

  it("sends raw octets under the question's ID, and a wrong ID where told to", function()
    local s = socket.udp()
    s:settimeout(5)
    s:setpeername("127.0.0.1", port_of(w.nameserver))
    s:send(question("raw.example", 1))
    assert.equal("\7\9\129\128\0\0\0\0", s:receive())
    s:close()
    assert.are_not.equal(0x0709, ask(w.nameserver, "spoof.example", "A").id)
  end)

  it("has servers with ways of their own", function()
    assert.equal(2, ask(w.nameservers[2], "company.example", "MX").rcode)
    local _, err = ask(w.nameservers[3], "company.example", "MX", 2)
    assert.equal("connection refused", err)
    local last = w:journal()[#w:journal()]
    assert.same({ "query", 2, "udp", "MX" }, { last.kind, last.server, last.transport, last.type })
  end)

  it("answers a thousand questions sent at once", function()
    local s = socket.udp()
    s:setsockname("127.0.0.1", 0)
    s:setoption("recv-buffer-size", 4194304)
    s:settimeout(5)
    local sent, got = 0, 0
    while got < 1000 do
      -- at most 200 under way on this one socket: its own queue is the narrow place, not the server
      while sent < 1000 and sent - got < 200 do
        sent = sent + 1
        s:sendto(question("n" .. sent .. ".many.example", 1), "127.0.0.1", port_of(w.nameserver))
      end
      assert(s:receive())
      got = got + 1
    end
    s:close()
    assert.equal(1000, w:count("query", "^n%d+%.many%.example$"))
  end)
end)

describe("a mail server of a mail world", function()
  local w, open

  -- Connect to a host; say(line) sends it and reads one reply of one or several lines.
  local function client(ip)
    local c = { s = assert((ip:find ":" and socket.tcp6 or socket.tcp4)()) }
    c.s:settimeout(5)
    assert(c.s:connect(ip, w.port))
    function c.hear()
      local out = {}
      repeat
        local line, err = c.s:receive "*l"
        if not line then
          return nil, err
        end
        out[#out + 1] = line
      until line:sub(4, 4) ~= "-"
      return table.concat(out, "|")
    end
    function c.say(line)
      c.s:send(line .. "\r\n")
      return c.hear()
    end
    open[#open + 1] = c.s
    return c
  end

  local function greeted(ip)
    local c = client(ip)
    assert(c.hear())
    c.say "EHLO probe.example"
    c.say "MAIL FROM:<user@probe.example>"
    return c
  end

  setup(function()
    w = World.start {
      hosts = {
        { ip = "127.0.1.1", name = "mx.one.example", max_rcpt = 6,
          mail = { ["bad@probe.example"] = "550 5.7.1 not you", ["*"] = "250 2.1.0 ok" },
          rcpt = {
            ["user@one.example"] = "250 2.1.5 ok", ["*@open.example"] = "250 2.1.5 any",
            ["gray@one.example"] = { sequence = { "450 4.2.0 later", "250 2.1.5 now" } },
            ['"a\\">b"@one.example'] = "250 2.1.5 quoted", ["*"] = "550 5.1.1 no\nsuch user",
          } },
        { ip = "127.0.1.2", name = "mx.two.example", greeting = { "220-slow", { wait = 0.05 }, "220 ok" },
          ehlo = "250 mx.two.example", delay = 0.02, max_mail = 1,
          rcpt = { ["close@x.example"] = { close = true }, ["reset@x.example"] = { reset = true },
            ["half@x.example"] = { { raw = "250-2.1.5 ha" }, { close = true } },
            ["mute@x.example"] = { silence = true },
            ["torn@x.example"] = { torn = "250 2.1.5 torn\r\n" },
            ["endless@x.example"] = { flood = 1e8 },
            ["flood@x.example"] = { { flood = 300000, with = "250-x\r\n" }, { close = true } } } },
        { ip = "127.0.1.3", refuse = true },
        { ip = "127.0.1.4", blackhole = true },
        { ip = "127.0.1.5", name = "mx.five.example", early = "250 unasked" },
        { ip = "127.0.1.6", tls_instead = true },
        { ip = "127.0.1.7", http_instead = true },
        { ip = "127.0.1.8", name = "mx.eight.example", delay = 0.3 },
      },
    }
  end)

  before_each(function() open = {} end)
  after_each(function()
    for _, s in ipairs(open) do
      s:close()
    end
  end)
  teardown(function() w:stop() end)

  it("keeps the order of RFC 5321 and answers as scripted", function()
    local c = client "127.0.1.1"
    assert.equal("220 mx.one.example ESMTP", c.hear())
    assert.equal("503", c.say("MAIL FROM:<>"):sub(1, 3))
    assert.equal("250-mx.one.example|250-PIPELINING|250-ENHANCEDSTATUSCODES|250 SMTPUTF8", c.say "EHLO x")
    assert.equal("503", c.say("RCPT TO:<user@one.example>"):sub(1, 3))
    assert.equal("550 5.7.1 not you", c.say "MAIL FROM:<bad@probe.example>")
    assert.equal("503", c.say("RCPT TO:<user@one.example>"):sub(1, 3))
    assert.equal("250 2.1.0 ok", c.say "mail from:<> SMTPUTF8")
    assert.equal("503", c.say("MAIL FROM:<>"):sub(1, 3))
    assert.equal("250 2.1.5 ok", c.say "RCPT TO:<user@one.example>")
    assert.equal("250 2.0.0 ok", c.say "RSET")
    assert.equal("503", c.say("RCPT TO:<user@one.example>"):sub(1, 3))
    assert.equal("221 2.0.0 bye", c.say "QUIT")
    assert.same({ nil, "closed" }, { c.hear() })
  end)

  it("knows recipients by their octets, then by domain, then all others", function()
    local c = greeted "127.0.1.1"
    assert.equal("250 2.1.5 ok", c.say "RCPT TO:<user@one.example>")
    assert.equal("550-5.1.1 no|550 such user", c.say "RCPT TO:<User@one.example>")
    assert.equal("250 2.1.5 any", c.say "RCPT TO:<any.body@open.example>")
    assert.equal("250 2.1.5 quoted", c.say 'RCPT TO:<"a\\">b"@one.example>')
  end)

  it("goes through a sequence across connections, and stays at its end", function()
    assert.equal("450 4.2.0 later", greeted("127.0.1.1").say "RCPT TO:<gray@one.example>")
    assert.equal("250 2.1.5 now", greeted("127.0.1.1").say "RCPT TO:<gray@one.example>")
    assert.equal("250 2.1.5 now", greeted("127.0.1.1").say "RCPT TO:<gray@one.example>")
  end)

  it("takes so many recipients, and so many transactions", function()
    local c = greeted "127.0.1.1"
    for _ = 1, 6 do
      assert.equal("250 2.1.5 ok", c.say "RCPT TO:<user@one.example>")
    end
    assert.equal("452", c.say("RCPT TO:<user@one.example>"):sub(1, 3))
    c = greeted "127.0.1.2"
    c.say "RSET"
    assert.equal("421", c.say("MAIL FROM:<>"):sub(1, 3))
    assert.same({ nil, "closed" }, { c.hear() })
  end)

  it("waits before each reply and between the lines of one", function()
    local c = client "127.0.1.2"
    local start = socket.gettime()
    assert.equal("220-slow|220 ok", c.hear())
    assert.is_true(socket.gettime() - start >= 0.07)
    start = socket.gettime()
    c.say "EHLO x"
    assert.is_true(socket.gettime() - start >= 0.02)
  end)

  it("closes, resets, breaks off, falls silent", function()
    assert.same({ nil, "closed" }, { greeted("127.0.1.2").say "RCPT TO:<close@x.example>" })
    assert.same({ nil, "closed" }, { greeted("127.0.1.2").say "RCPT TO:<reset@x.example>" })
    local c = greeted "127.0.1.2"
    c.s:send "RCPT TO:<half@x.example>\r\n"
    assert.same({ nil, "closed", "250-2.1.5 ha" }, { c.s:receive(100) })
    c = greeted "127.0.1.2"
    c.s:settimeout(0.05)
    assert.same({ nil, "timeout" }, { c.say "RCPT TO:<mute@x.example>" })
  end)

  it("resets with a RST, not an end", function()
    local c = greeted "127.0.1.2"
    c.s:send "RCPT TO:<reset@x.example>\r\n"
    socket.select({ c.s }, nil, 5)
    assert.equal("closed", (c.s:getoption "error")) -- LuaSocket's word for ECONNRESET
    c = greeted "127.0.1.2"
    c.s:send "RCPT TO:<close@x.example>\r\n"
    socket.select({ c.s }, nil, 5)
    assert.is_nil((c.s:getoption "error"))
  end)

  it("tears a reply into octets and floods", function()
    assert.equal("250 2.1.5 torn", greeted("127.0.1.2").say "RCPT TO:<torn@x.example>")
    local c = greeted "127.0.1.2"
    c.s:send "RCPT TO:<flood@x.example>\r\n"
    assert.equal(300000, #c.s:receive "*a")
  end)

  it("refuses connections, or lets them hang", function()
    local s = socket.tcp4()
    s:settimeout(5)
    assert.same({ nil, "connection refused" }, { s:connect("127.0.1.3", w.port) })
    s:close()
    s = socket.tcp4()
    s:settimeout(0.2)
    assert.same({ nil, "timeout" }, { s:connect("127.0.1.4", w.port) })
    s:close()
  end)

  it("speaks before it is asked, or speaks something else", function()
    local c = client "127.0.1.5"
    assert.equal("220 mx.five.example ESMTP", c.hear())
    assert.equal("250 unasked", c.hear())
    assert.equal("\21\3\1\0\2\2\70", client("127.0.1.6").s:receive "*a")
    assert.truthy(client("127.0.1.7").s:receive("*l"):find "^HTTP/1.1 400")
  end)

  it("writes down who speaks out of turn, bare line feeds, and mail", function()
    local c = client "127.0.1.2"
    c.s:send "EHLO hasty\n"
    c.hear()
    c.hear()
    c.say "MAIL FROM:<>"
    assert.equal("554", c.say("DATA"):sub(1, 3))
    assert.equal("554", c.say("BDAT 3 LAST"):sub(1, 3))
    assert.equal(1, w:count("early", "^EHLO hasty$"))
    assert.equal(1, w:count "DATA")
    assert.equal(1, w:count("BDAT", "^3 LAST$"))
    for _, event in ipairs(w:journal()) do
      if event.kind == "line" then
        assert.equal(event.text == "EHLO hasty" and "true" or nil, event.bare)
      end
    end
  end)

  it("hears the QUIT of one who does not wait for the answer", function()
    local c = greeted "127.0.1.8"
    c.s:send "NOOP\r\nQUIT\r\n"
    c.s:close()
    local function ended(journal)
      for _, event in ipairs(journal) do
        if event.kind == "close" and event.host == "mx.eight.example" then
          return event
        end
      end
    end
    assert.equal("client", assert(w:wait(ended, 5)).by)
    local lines = w:lines "mx.eight.example"
    assert.equal("QUIT", lines[#lines])
  end)

  it("hears the QUIT of one who leaves in the midst of a long reply", function()
    local c = greeted "127.0.1.2"
    c.s:send "RCPT TO:<endless@x.example>\r\n"
    assert(c.s:receive "*l")
    c.s:send "QUIT\r\n"
    c.s:close()
    local function unanswered(journal)
      for _, event in ipairs(journal) do
        if event.unanswered and event.text == "QUIT" and event.host == "mx.two.example" then
          return event
        end
      end
    end
    assert.truthy(w:wait(unanswered, 5))
  end)

  it("takes a new script while it runs", function()
    w:update { hosts = { { ip = "127.0.1.5", name = "mx.five.example", rcpt = "250 2.1.5 changed" } },
      zones = { ["new.example"] = { A = "127.0.1.5" } } }
    assert.equal("250 2.1.5 changed", greeted("127.0.1.5").say "RCPT TO:<a@b.example>")
    assert.equal(1, ask(w.nameserver, "new.example", "A").answers)
    w:update { zones = { ["new.example"] = false } }
    assert.equal(3, ask(w.nameserver, "new.example", "A").rcode)
    assert.has_error(function() w:update { hosts = { { ip = "127.0.1.77" } } } end)
  end)
end)

describe("a mail world", function()
  it("holds 1,500 connections at once and counts them", function()
    local w = World.start { hosts = { { ip = "127.0.1.1", name = "mx.a.example" }, { ip = "127.0.1.2" } } }
    -- in a process of its own, since ours may hold few descriptors; it leaves when its input ends
    local run = ([[ulimit -n $(ulimit -Hn); exec lua5.4 -e '
      local socket, open = require "socket", {}
      for i = 1, 1500 do
        open[i] = assert(socket.connect("127.0.1.1", %d))
      end
      for _, s in ipairs(open) do
        assert(s:receive():find "^220")
      end
      print(#open) io.stdout:flush() io.read()']]):format(w.port)
    local pipe = io.popen(("env -u LD_PRELOAD sh -c '%s' </dev/null"):format(run:gsub("'", "'\\''")))
    assert.equal("1500", pipe:read "*l")
    pipe:close()
    assert.equal(1500, w:max_open())
    assert.equal(1500, w:max_open "mx.a.example")
    assert.equal(0, w:max_open "127.0.1.2")
    local function all_closed() return w:open_now() == 0 end
    assert.truthy(w:wait(all_closed, 10))
    w:stop()
  end)

  it("waits for an event and no longer, and gives up in time", function()
    local w = World.start { zones = { ["late.example"] = { A = "127.0.1.1", delay = 0.1 } } }
    local s = socket.udp()
    s:setpeername("127.0.0.1", port_of(w.nameserver))
    local start = socket.gettime()
    assert.is_nil(w:wait(function(journal) return journal[1] end, 0.1))
    assert.is_true(socket.gettime() - start >= 0.1)
    s:send(question("late.example", 1))
    assert.equal("late.example", w:wait(function(journal) return journal[1] end, 10).name)
    assert.is_true(socket.gettime() - start < 5)
    s:close()
    w:stop()
  end)

  it("keeps every octet in its journal", function()
    local w = World.start { hosts = { { ip = "127.0.1.1" } } }
    local s = assert(socket.connect("127.0.1.1", w.port))
    local odd = "X\t\\065=\1\127\195\169\255 \0y"
    s:send(odd .. "\r\n")
    s:settimeout(5)
    s:receive()
    s:receive()
    assert.same({ odd }, w:lines())
    s:close()
    w:stop()
  end)

  it("refuses a script that is not plain data, and one it cannot serve", function()
    assert.has_error(function() World.start { hosts = { { ip = print } } } end)
    assert.has_error(function() World.start { hosts = { { ip = "192.0.2.1" } } } end)
  end)

  it("leaves no process and no file behind", function()
    local w = World.start {}
    local function here(path) return os.execute("test -e " .. path) == (_VERSION ~= "Lua 5.1" and true or 0) end
    assert.is_true(here(w.directory))
    assert.is_true(here("/proc/" .. w.pid))
    w:stop()
    w:stop()
    assert.is_false(here(w.directory))
    assert.is_false(here("/proc/" .. w.pid))
  end)

  local function child(script, last)
    return io.popen(([[timeout 20 lua5.4 -e 'package.path = "./?.lua;" .. package.path
      local w = require "spec.support.world".start { %s }
      print(w.directory) io.stdout:flush() %s os.exit(true, false)']]):format(script, last))
  end

  it("ends by itself when its parent dies", function()
    local pipe = child("", "")
    local directory = pipe:read "*l"
    -- the fifo has an end when the last process that writes to it is gone, and no name by then
    os.execute(("timeout 20 cat %s/reply >/dev/null 2>&1"):format(directory))
    pipe:close()
    assert.is_nil(io.open(directory .. "/journal"))
  end)

  it("ends by itself when its time is over", function()
    local pipe = child("lifetime = 0.2", 'print(w.replies:read "*l")')
    local directory = pipe:read "*l"
    assert.equal("nil", pipe:read "*l")
    pipe:close()
    assert.is_nil(io.open(directory .. "/journal"))
  end)
end)
