-- The name server of the fakes: what a script of spec/support/world.lua promises is what a socket sees.
-- SPDX-License-Identifier: MIT
local socket = require "socket"
local question = require "spec.support.question"
local World = require "spec.support.world"

local ask, ask_tcp = question.ask, question.ask_tcp

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
    local slow = question.send(w.nameserver, "late.example", "A")
    assert.equal(1, ask(w.nameserver, "half.example", "A").answers)
    slow:settimeout(0)
    assert.is_nil(slow:receive())
    slow:settimeout(5)
    assert.equal(1, question.read(slow:receive()).answers)
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
    local s = question.send(w.nameserver, "raw.example", "A")
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
        s:sendto(question.octets("n" .. sent .. ".many.example", "A"), "127.0.0.1", question.port(w.nameserver))
      end
      assert(s:receive())
      got = got + 1
    end
    s:close()
    assert.equal(1000, w:count("query", "^n%d+%.many%.example$"))
  end)
end)
