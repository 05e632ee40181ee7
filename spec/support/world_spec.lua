-- The fakes themselves, mail servers and process: what a script of spec/support/world.lua promises is
-- what a socket sees. Its name server: world_dns_spec.lua.
-- SPDX-License-Identifier: MIT
local socket = require "socket"
local question = require "spec.support.question"
local World = require "spec.support.world"

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
    assert.equal(1, question.ask(w.nameserver, "new.example", "A").answers)
    w:update { zones = { ["new.example"] = false } }
    assert.equal(3, question.ask(w.nameserver, "new.example", "A").rcode)
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
    local start = socket.gettime()
    assert.is_nil(w:wait(function(journal) return journal[1] end, 0.1))
    assert.is_true(socket.gettime() - start >= 0.1)
    local s = question.send(w.nameserver, "late.example", "A")
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
    local function is_true(command)
      local ok = os.execute(command .. " 2>/dev/null")
      return ok == true or ok == 0 -- 5.4 and 5.1
    end
    local directory, process = "test -e " .. w.directory, "kill -0 " .. w.pid
    assert.same({ true, true }, { is_true(directory), is_true(process) })
    w:stop()
    w:stop()
    assert.same({ false, false }, { is_true(directory), is_true(process) })
  end)

  local function child(script, last)
    return io.popen(([[timeout 20 lua5.4 -e 'package.path = "./?.lua;" .. package.path
      local w = require "spec.support.world".start { %s }
      print(w.directory) io.stdout:flush() %s os.exit(true, false)']]):format(script, last))
  end

  it("ends by itself when its parent dies", function()
    local pipe = child("", "")
    local directory = pipe:read "*l"
    -- the fifo has an end when all processes of the world are gone
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
