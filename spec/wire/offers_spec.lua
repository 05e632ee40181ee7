local idle = require("spec.support.dialogue").idle

describe("wire/offers", function()
  describe("the reply to EHLO", function()
    it("reads each keyword whatever its case and parameters, and not the greeting line", function()
      local client = idle("S: 220 mx\nC: EHLO probe.example\nS: 250-CHUNKING hello\nS: 250-pipelining\n"
        .. "S: 250-SIZE 100\nS: 250-8bitmime\nS: 250-SmtpUtf8\nS: 250-STARTTLS\nS: 250-AUTH=LOGIN PLAIN\n"
        .. "S: 250-ENHANCEDSTATUSCODES\nS: 250-VRFY\nS: 250-REQUIRETLS\nS: 250-XSTARTTLS\n"
        .. "S: 250 LIMITS RCPTMAX=1\n")
      assert.same({ PIPELINING = true, SIZE = true, ["8BITMIME"] = true, SMTPUTF8 = true,
        STARTTLS = true, AUTH = true, ENHANCEDSTATUSCODES = true, VRFY = true, REQUIRETLS = true,
        LIMITS = true }, client:offers())
    end)

    it("sees one that stands after more text than a reply keeps", function()
      local lines = {}
      for i = 1, 60 do lines[i] = ("S: 250-X%02d %s\n"):format(i, ("x"):rep(60)) end
      local client = idle("S: 220 mx\nC: EHLO probe.example\n" .. table.concat(lines) .. "S: 250 SMTPUTF8\n")
      assert.is_true(client:offers().SMTPUTF8)
    end)

    it("is empty after HELO, whatever the refusal of EHLO listed", function()
      local client = idle("S: 220 mx\nC: EHLO probe.example\nS: 502-no\nS: 502 PIPELINING\n"
        .. "C: HELO probe.example\nS: 250 mx\n")
      assert.same({}, client:offers())
    end)
  end)

  describe("a transaction", function()
    -- How many recipients go into one, of `n` asked, with these lines of the EHLO reply.
    local function shared(n, offered)
      local client = idle("S: 220 mx\nC: EHLO probe.example\nS: 250-mx\n" .. offered .. "S: 250 PIPELINING\n",
        { sender = "a@probe.example" })
      local mails = 0
      for i = 1, n do
        assert(client:ask(("u%d@b.example"):format(i)))
        local _, said = client:next()
        client:wrote(#said)
        for line in said:gmatch("[^\n]+") do
          client:feed "250 ok\r\n"
          if line:find "^MAIL" then mails = mails + 1 end
        end
        assert.equal("question", (client:next()))
      end
      return n / mails
    end

    it("has at most fifty recipients", function()
      assert.equal(50, shared(50, ""))
      assert.equal(25.5, shared(51, ""))
    end)

    for limit, most in pairs { ["RCPTMAX=4"] = 4, ["MAILMAX=1 rcptmax=2"] = 2, ["RCPTMAX=1"] = 1,
      ["RCPTMAX=0"] = 12, ["RCPTMAX=03"] = 12, ["RCPTMAX="] = 12, ["RCPTMAX=x"] = 12, ["RCPTMAX=2x"] = 12,
      ["RCPTMAX=4294967298"] = 12, ["RCPTMAX=100"] = 12, ["XRCPTMAX=2"] = 12, [""] = 12 } do
      it(("has %d of 12 with LIMITS %s (RFC 9422)"):format(most, limit), function()
        assert.equal(most, shared(12, "S: 250-LIMITS " .. limit .. "\n"))
      end)
    end
  end)
end)
