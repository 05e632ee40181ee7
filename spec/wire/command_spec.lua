local idle = require("spec.support.dialogue").idle

describe("wire/command", function()
  describe("a group of commands", function()
    local PIPED = "S: 220 mx\nC: EHLO probe.example\nS: 250-mx\nS: 250 PIPELINING\n"
    local RSET, MAIL, RCPT = "RSET\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<b@b.example>\r\n"

    local function heard(client, bytes)
      local list = {}
      while bytes ~= "" do
        local used, what = client:feed(bytes)
        bytes = bytes:sub(used + 1)
        list[#list + 1] = what .. " " .. client:reply().stage .. " " .. client:reply().text
      end
      return list
    end

    -- A transaction was open: RSET, MAIL and RCPT are said, `n` bytes of them.
    local function half_said(n)
      local client = idle(PIPED)
      client:ask "a@b.example"
      client:wrote(#select(2, client:next()))
      client:feed "250 ok\r\n"
      client:feed "250 ok\r\n"
      client:ask "b@b.example"
      assert.equal(RSET .. MAIL .. RCPT, select(2, client:next()))
      client:wrote(n)
      return client
    end

    it("has its replies seen one by one, though they come in one piece", function()
      assert.same({ "reply rset 1", "reply mail 2", "answer rcpt 3" },
        heard(half_said(#(RSET .. MAIL .. RCPT)), "250 1\r\n250 2\r\n250 3\r\n"))
    end)

    it("never shows the reply to a RCPT behind a refused MAIL", function()
      local client = half_said(#(RSET .. MAIL .. RCPT))
      assert.same({ "reply rset 1", "answer mail 2", "nothing mail 2" },
        heard(client, "250 1\r\n550 2\r\n250 3\r\n"))
      assert.equal("mail", client:stage())
      assert.equal("question", (client:next()))
    end)

    it("waits for the reply it will drop", function()
      local client = half_said(#(RSET .. MAIL .. RCPT))
      heard(client, "250 1\r\n550 2\r\n")
      assert.equal("read", (client:next()))
      assert.equal("again", select(3, client:ask("c@b.example")))
    end)

    it("may be answered in part before it has gone in whole", function()
      local client = half_said(#RSET + 3)
      assert.same({ "reply rset 1" }, heard(client, "250 1\r\n"))
      local want, rest = client:next()
      assert.equal("write", want)
      assert.equal(MAIL:sub(4) .. RCPT, rest)
      client:wrote(#rest)
      assert.same({ "reply mail 2", "answer rcpt 3" }, heard(client, "250 2\r\n250 3\r\n"))
    end)

    it("is out of step when the answer to what is half said comes", function()
      local client = half_said(#RSET + 3)
      heard(client, "250 1\r\n")
      assert.equal("proto", select(3, client:feed("250 2\r\n")))
      assert.equal("done", (client:next()))
    end)

    it("takes back the RCPT that has not begun to go when MAIL is refused", function()
      local client = half_said(#(RSET .. MAIL))
      assert.same({ "reply rset 1", "answer mail 2" }, heard(client, "250 1\r\n550 2\r\n"))
      assert.equal("question", (client:next()))
    end)

    it("ends the RCPT that has begun to go when MAIL is refused, and drops its reply", function()
      local client = half_said(#(RSET .. MAIL) + 1)
      assert.same({ "reply rset 1", "answer mail 2" }, heard(client, "250 1\r\n550 2\r\n"))
      local want, rest = client:next()
      assert.equal("write", want)
      assert.equal(RCPT:sub(2), rest)
      client:wrote(#rest)
      assert.same({ "nothing mail 2" }, heard(client, "503 3\r\n"))
      assert.equal("question", (client:next()))
    end)

    it("says QUIT behind what is half said when RSET is refused", function()
      local client = half_said(#RSET + 3)
      assert.same({ "end rset 1" }, heard(client, "502 1\r\n"))
      assert.equal(MAIL:sub(4) .. "QUIT\r\n", select(2, client:next()))
    end)

    it("says QUIT at once when RSET is refused and no more has begun to go", function()
      local client = half_said(#RSET)
      assert.same({ "end rset 1" }, heard(client, "502 1\r\n"))
      assert.equal("QUIT\r\n", select(2, client:next()))
    end)

    it("says no more of it when the carrier leaves, but for what is half said", function()
      local client = half_said(#RSET + 3)
      client:quit()
      local _, rest = client:next()
      assert.equal(MAIL:sub(4), rest)
      client:wrote(#rest)
      heard(client, "250 1\r\n")
      assert.equal("QUIT\r\n", select(2, client:next()))
    end)

    it("is dropped when the carrier leaves before any of it has gone", function()
      local client = half_said(0)
      client:quit()
      assert.equal("QUIT\r\n", select(2, client:next()))
    end)
  end)
end)
