local core = require "rcpt.core"
local dialogue = require "spec.support.dialogue"

local function files(folder)
  local list = {}
  local pipe = assert(io.popen("ls " .. folder))
  for name in pipe:lines() do
    if name:match("%.txt$") then list[#list + 1] = folder .. "/" .. name end
  end
  pipe:close()
  return list
end

local transcripts = files("spec/dialogues")
local never, always = function() return false end, function() return true end

local idle = dialogue.idle

describe("wire/client", function()
  it("has transcripts to replay", function()
    assert.is_true(#transcripts >= 25)
  end)

  for _, path in ipairs(transcripts) do
    describe(path, function()
      local t = dialogue.load(path)

      it("goes as written", function()
        assert.same(t.expected, (dialogue.replay(t, never)))
      end)

      it("goes the same a byte at a time, in and out", function()
        assert.same(t.expected, (dialogue.replay(t, always, 1)))
      end)

      it("goes the same wherever it is cut", function()
        local step = t.bytes > 1000 and 97 or 1
        for at = 1, t.bytes, step do
          assert.same(t.expected, (dialogue.replay(t, function(i) return i == at end)))
        end
      end)

      it("never says DATA, nor what was not offered, nor anything after QUIT", function()
        local _, _, breaths = dialogue.replay(t, never)
        for i, breath in ipairs(breaths) do
          if breath[2] then assert.is_true(breath.offers.PIPELINING, breath[2]) end
          for n, said in ipairs(breath) do
            assert.is_nil(said:find("[%c\127]"))
            assert.is_truthy(said:match("^EHLO ") or said:match("^HELO ") or said:match("^MAIL FROM:<")
              or said:match("^RCPT TO:<") or said:match("^VRFY [^ ]") or said == "STARTTLS"
              or said == "RSET" or said == "QUIT")
            if said:find(" SMTPUTF8", 1, true) then assert.is_true(breath.offers.SMTPUTF8) end
            if said:find(" BODY=", 1, true) then assert.is_true(breath.offers["8BITMIME"]) end
            if said:find("^VRFY") then assert.is_true(breath.offers.VRFY) end
            if said == "STARTTLS" then assert.is_true(breath.offers.STARTTLS) end
            assert.is_true(said ~= "QUIT" or (i == #breaths and n == #breath))
          end
        end
      end)
    end)
  end

  describe("the table", function()
    local rows, known = core.dialogue(), {}
    for _, row in ipairs(rows) do known[row.state] = row end
    local deaf = { secure = true, quit = true, done = true }

    it("fills every cell of a state that hears", function()
      for _, row in ipairs(rows) do
        for class, cell in pairs(row.on) do
          if not deaf[row.state] and (class ~= "full" or row.state == "more") then
            assert.is_truthy(known[cell.to], row.state .. " on " .. class)
            assert.is_true(cell.why ~= "", row.state .. " on " .. class)
          else
            assert.equal("", cell.to)
          end
        end
      end
    end)

    it("never comes to the state without a name", function()
      assert.is_nil(known.none)
      for _, row in ipairs(rows) do
        for _, cell in pairs(row.on) do assert.not_equal("none", cell.to) end
      end
    end)

    it("reaches every state from the start, by replies or by the carrier", function()
      local seen, todo = { greeting = true, knock = true }, { "greeting", "knock" }
      -- what the carrier asks for, and what an offer of STARTTLS or a pipelined RCPT makes of a step
      local carrier = { idle = { "rset", "mail", "more", "vrfy", "quit" }, secure = { "ehlo" },
        ehlo = { "starttls" }, mail = { "spoilt" } }
      while #todo > 0 do
        local row = known[table.remove(todo)]
        local to = { "done" }
        for _, state in ipairs(carrier[row.state] or {}) do to[#to + 1] = state end
        for _, cell in pairs(row.on) do to[#to + 1] = cell.to end
        for _, state in ipairs(to) do
          if state ~= "" and not seen[state] then
            seen[state] = true
            todo[#todo + 1] = state
          end
        end
      end
      for _, row in ipairs(rows) do assert.is_true(seen[row.state], row.state) end
    end)

    it("ends on 421 wherever a reply is awaited", function()
      for _, row in ipairs(rows) do
        if not deaf[row.state] then
          assert.equal("done", row.on["421"].to, row.state)
        end
      end
    end)

    it("is drawn in doc/dialogue.md as it is", function()
      local file = assert(io.open("doc/dialogue.md", "rb"))
      local text = file:read("*a")
      file:close()
      assert.equal(dofile("check/dialogue.lua"), text)
    end)
  end)

  describe("init", function()
    local cases = {
      { { helo = "" }, "an empty helo" },
      { { helo = "a\r\nDATA" }, "a line end in helo" },
      { { helo = "a\0b" }, "a NUL in helo" },
      { { helo = "a b" }, "a blank in helo" },
      { { helo = "b\195\188cher.example" }, "a helo that is not ASCII" },
      { { helo = ("a"):rep(256) }, "a helo over 255 octets" },
      { { sender = "a@b\r\nRSET" }, "a line end in sender" },
      { { sender = "a@b\0" }, "a NUL in sender" },
      { { sender = "a@b\127" }, "a DEL in sender" },
      { { sender = "a@b> SIZE=1" }, "an angle bracket in sender" },
      { { sender = '"a@b' }, "a quoted string without end in sender" },
      { { sender = ("a"):rep(255) }, "a sender over 254 octets" },
    }
    for _, case in ipairs(cases) do
      it("refuses " .. case[2], function()
        local options = { helo = "probe.example", sender = "" }
        for k, v in pairs(case[1]) do options[k] = v end
        local client, message, code = core.client(options)
        assert.is_nil(client)
        assert.is_string(message)
        assert.equal("badarg", code)
      end)
    end

    it("takes an address literal as helo", function()
      assert.is_truthy(core.client { helo = "[192.0.2.1]", sender = "a@b.example" })
    end)

    it("raises for options of a wrong type", function()
      assert.has_error(function() core.client() end)
      assert.has_error(function() core.client { helo = 1 } end)
      assert.has_error(function() core.client { helo = "a", greeting_only = 1 } end)
    end)
  end)

  describe("ask", function()
    local refused = {
      "", "a b@c.example", "a@b.example>", "<a@b.example", "a\tb@c.example", 'a"b"@c.example',
      '"a@c.example', '"a\\"@c.example', '"a\nb"@c.example', '"a\\\nb"@c.example', "a\\@b.example",
      "a\127@b.example", "a@b.example\r", "a@b.example\nQUIT", "a\0@b.example", ("a"):rep(255),
    }
    for _, address in ipairs(refused) do
      it(("refuses %q, says nothing and stays ready"):format(address), function()
        local client = idle()
        local ok, _, code = client:ask(address)
        assert.is_nil(ok)
        assert.equal("badarg", code)
        assert.equal("question", (client:next()))
      end)
    end

    local taken = { "a@b.example", '"a b"@c.example', '"<>"@c.example', '"a\\"b"@c.example',
      "postmaster", "a@[192.0.2.1]", ("a"):rep(254) }
    for _, address in ipairs(taken) do
      it(("takes %q as it is"):format(address), function()
        local client = idle()
        assert.is_true(client:ask(address))
        local _, mail = client:next()
        client:wrote(#mail)
        client:feed("250 ok\r\n")
        local want, said = client:next()
        assert.equal("write", want)
        assert.equal("RCPT TO:<" .. address .. ">\r\n", said)
      end)
    end

    it("answers again while a question is under way, closed when all is over", function()
      local client = idle()
      client:ask("a@b.example")
      assert.equal("again", select(3, client:ask("c@b.example")))
      client:lost("eof")
      assert.equal("closed", select(3, client:ask("c@b.example")))
    end)

    it("needs SMTPUTF8 for a sender that is not ASCII", function()
      local client = idle(nil, { sender = "j\195\188rgen@probe.example" })
      assert.equal("smtputf8_unsupported", select(3, client:ask("a@b.example")))
    end)

    it("needs SMTPUTF8 where the carrier says so", function()
      assert.equal("smtputf8_unsupported", select(3, idle():ask("a@b.example", true)))
    end)
  end)

  describe("secured", function()
    it("is an answer to a handshake that is wanted, and to nothing else", function()
      local client = idle(nil, { tls = "may" })
      assert.equal("again", select(3, client:secured()))
      client:lost("eof")
      assert.equal("closed", select(3, client:secured()))
    end)

    it("cannot be had where it is not offered: the END, with QUIT, and no error of the feed", function()
      local client = core.client { helo = "a.example", tls = "require" }
      client:feed "220 mx\r\n"
      client:wrote(#select(2, client:next()))
      assert.same({ 8, "end" }, { client:feed "250 mx\r\n" })
      assert.equal("tls", client:err())
      assert.equal("ehlo", client:reply().stage)
      assert.equal("QUIT\r\n", select(2, client:next()))
    end)

    it("waits for the handshake as long as for a reply", function()
      local client = core.client { helo = "a.example", tls = "may", greeting = 7, reply = 3 }
      client:feed "220 mx\r\n"
      client:wrote(#select(2, client:next()))
      client:feed "250-mx\r\n250 STARTTLS\r\n"
      client:wrote(#select(2, client:next()))
      client:feed "220 go\r\n"
      assert.same({ "tls", nil, 3 }, { client:next() })
    end)

    it("raises for a mode there is not", function()
      assert.has_error(function() core.client { helo = "a", tls = "always" } end)
      assert.has_error(function() core.client { helo = "a", tls = true } end)
    end)
  end)

  describe("quit", function()
    it("drops a command of which nothing has gone", function()
      local client = idle()
      client:ask("a@b.example")
      client:quit()
      assert.equal("QUIT\r\n", select(2, client:next()))
    end)

    it("lets a command that has begun to go, go, and hears its answer", function()
      local client = idle()
      client:ask("a@b.example")
      client:wrote(3)
      client:quit()
      local _, rest = client:next()
      assert.equal("L FROM:<>\r\n", rest)
      client:wrote(#rest)
      assert.equal("read", (client:next()))
      client:feed("250 ok\r\n")
      assert.equal("QUIT\r\n", select(2, client:next()))
    end)

    it("said twice is said once", function()
      local client = idle()
      client:quit()
      client:wrote(6)
      client:quit()
      assert.equal("done", (client:next()))
    end)
  end)

  it("waits longer for a greeting than for a reply, as told", function()
    local client = core.client { helo = "a.example", greeting = 7, reply = 3 }
    assert.equal(7, select(3, client:next()))
    client:feed("220 mx\r\n")
    client:wrote(#select(2, client:next()))
    assert.equal(3, select(3, client:next()))
  end)

  it("keeps the last whole reply while the next one comes", function()
    local client = core.client { helo = "a.example" }
    assert.is_nil(client:reply())
    client:feed("220 mx.example\r\n")
    client:wrote(#select(2, client:next()))
    client:feed("250-half of it\r\n250 ")
    assert.equal("mx.example", client:reply().text)
    assert.equal("greeting", client:reply().stage)
    assert.equal("ehlo", client:stage())
  end)

  it("refuses to have written more than it wanted to", function()
    local client = idle()
    assert.has_error(function() client:wrote(1) end)
    client:quit()
    assert.has_error(function() client:wrote(7) end)
    assert.has_error(function() client:wrote(-1) end)
  end)
end)
