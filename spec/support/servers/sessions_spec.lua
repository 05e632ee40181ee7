-- What the logs of real servers tell: read here from pieces of such logs, without a server.
local sessions = require "spec.support.servers.sessions"

describe("sessions in servers' logs", function()
  local LOGS = {
    postfix = ([[
Nov 23 18:42:48 mx postfix/must/smtpd[103]: connect from unknown[127.0.34.9]
Nov 23 18:42:48 mx postfix/must/smtpd[103]: > unknown[127.0.34.9]: 220 mx.must.example ESMTP Postfix
Nov 23 18:42:48 mx postfix/smtpd[104]: connect from unknown[127.0.33.1]
Nov 23 18:42:48 mx postfix/must/smtpd[103]: < unknown[127.0.34.9]: EHLO probe.example
Nov 23 18:42:48 mx postfix/must/smtpd[103]: Anonymous TLS connection established from unknown[127.0.34.9]: TLSv1.3 \
with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
Nov 23 18:42:48 mx postfix/must/smtpd[103]: check_addr_access: 127.0.34.9
Nov 23 18:42:48 mx postfix/must/smtpd[103]: disconnect from unknown[127.0.34.9] ehlo=1 rcpt=0/1 quit=1 commands=2/3
Nov 23 18:42:48 mx postfix/must/smtpd[103]: connect from unknown[127.0.34.9]
Nov 23 18:42:48 mx postfix/smtpd[104]: disconnect from unknown[127.0.33.1] ehlo=1 commands=1
]]):gsub("\\\n", ""),
    exim = [[
   77 Connection request from 127.0.34.9 port 52231
  108 Process 108 is handling incoming connection from [127.0.34.9]:52231
  108 SMTP>> 220 mx.eximtls.example ESMTP Exim
  109 Process 109 is handling incoming connection from [127.0.34.9]:52232
  108 SMTP<< EHLO probe.example
  108 SMTP>> 250-mx.eximtls.example Hello probe.example [127.0.34.9]
  109 SMTP>> 220 mx.exim.example ESMTP Exim
  108        250 HELP
  108   SMTP connection from (probe.example) [127.0.34.9]:52231 I=[127.0.2.31]:28653 closed by QUIT
  108 SMTP>>(close on process exit)
  108 >>>>>>>>>>>>>>>> Exim pid=108 (daemon-accept) terminating with rc=0 >>>>>>>>>>>>>>>>
]],
    opensmtpd = [[
smtp: 0x5500: connected to listener 0x56 [hostname=mx.opensmtpd.example, port=2500, tag=]
smtp: 0x5500: STATE_NEW -> STATE_CONNECTED
24aa smtp connected address=127.0.34.9 host=<unknown>
smtp: 0x5500: >>> 220 mx.opensmtpd.example ESMTP OpenSMTPD
smtp: 0x6600: STATE_NEW -> STATE_CONNECTED
24bb smtp connected address=127.0.34.9 host=<unknown>
smtp: 0x6600: >>> 220 mx.opentls.example ESMTP OpenSMTPD
smtp: 0x5500: <<< QUIT
24aa smtp disconnected reason=quit
smtp: 0x5500: STATE_NEW -> STATE_CONNECTED
24cc smtp connected address=127.0.34.9 host=<unknown>
smtp: 0x5500: >>> 220 mx.opensmtpd.example ESMTP OpenSMTPD
24bb smtp disconnected reason="io-error: broken"
]],
  }

  it("are told apart, by host and source, with their words and their end (Postfix)", function()
    local list = sessions.read("postfix", LOGS.postfix, "must", "127.0.34.9")
    assert.are.equal(2, #list)
    assert.are.same({ "S: 220 mx.must.example ESMTP Postfix", "C: EHLO probe.example" }, list[1].dialogue)
    assert.are.same({ ehlo = 1, rcpt = "0/1", quit = 1, commands = "2/3" }, list[1].counts)
    assert.are.same({ version = "TLSv1.3", cipher = "TLS_AES_256_GCM_SHA384" }, list[1].tls)
    assert.are.same({ true, true, false }, { list[1].over, list[1].quit, list[2].over })
    local other = sessions.read("postfix", LOGS.postfix, "postfix")
    assert.are.same({ 1, true, false }, { #other, other[1].over, other[1].quit })
    assert.are.same({}, sessions.read("postfix", LOGS.postfix, "must", "127.0.34.8"))
  end)

  it("are told apart when two processes write at once (Exim)", function()
    local list = sessions.read("exim", LOGS.exim)
    assert.are.same({ "eximtls", true, true, "exim", false, false },
      { list[1].host, list[1].over, list[1].quit, list[2].host, list[2].over, list[2].quit })
    assert.are.same({ "S: 220 mx.eximtls.example ESMTP Exim", "C: EHLO probe.example",
      "S: 250-mx.eximtls.example Hello probe.example [127.0.34.9]", "S: 250 HELP" }, list[1].dialogue)
  end)

  it("are told apart when a pointer is used again (OpenSMTPD)", function()
    local list = sessions.read("opensmtpd", LOGS.opensmtpd, nil, "127.0.34.9")
    local ends = {}
    for i, session in ipairs(list) do ends[i] = { session.host, session.over, session.quit } end
    assert.are.same({ { "opensmtpd", true, true }, { "opentls", true, false }, { "opensmtpd", false, false } }, ends)
    assert.are.same({ "QUIT" }, sessions.commands(list[1]))
  end)

  describe("unoffered", function()
    local OFFER = { "S: 220 mx.x.example", "C: EHLO probe.example", "S: 250-mx.x.example", "S: 250-SIZE 1000",
      "S: 250-STARTTLS", "S: 250 8BITMIME" }

    -- The names in what is complained of, when these lines come after an EHLO.
    local function complaints(...)
      local dialogue, names = {}, {}
      for i, line in ipairs(OFFER) do dialogue[i] = line end
      for _, line in ipairs { ... } do dialogue[#dialogue + 1] = line end
      for i, text in ipairs(sessions.unoffered { dialogue = dialogue }) do names[i] = text:match("^%S+") end
      return names
    end

    it("takes what every server has, and what this one offered", function()
      assert.are.same({}, complaints("C: MAIL FROM:<> SIZE=5 BODY=8BITMIME", "S: 250 ok", "C: RCPT TO:<a@x.example>",
        "S: 250 ok", "C: RSET", "S: 250 ok", "C: NOOP", "S: 250 ok", "C: STARTTLS", "S: 220 go"))
    end)

    it("complains of what was not offered", function()
      assert.are.same({ "SMTPUTF8", "RET" }, complaints("C: MAIL FROM:<> SMTPUTF8 RET=HDRS"))
      assert.are.same({ "NOTIFY" }, complaints("C: RCPT TO:<a@x.example> NOTIFY=NEVER"))
      assert.are.same({ "SMTPUTF8" }, complaints("C: RCPT TO:<\195\169@x.example>"))
      assert.are.same({ "ETRN", "AUTH" }, complaints("C: ETRN x.example", "S: 500 no", "C: auth PLAIN"))
    end)

    it("complains of DATA and BDAT always", function()
      assert.are.same({ "DATA", "BDAT" }, complaints("C: DATA", "S: 354 go", "C: BDAT 3 LAST"))
    end)

    it("forgets the offer at STARTTLS and at another EHLO, and has none after HELO or a refused EHLO", function()
      assert.are.same({ "SIZE" }, complaints("C: STARTTLS", "S: 220 go", "C: MAIL FROM:<> SIZE=1"))
      assert.are.same({ "SIZE" }, complaints("C: EHLO probe.example", "S: 250 mx.x.example", "C: MAIL FROM:<> SIZE=1"))
      assert.are.same({ "STARTTLS" }, complaints("C: HELO probe.example", "S: 250 mx.x.example", "C: STARTTLS"))
      assert.are.same({ "STARTTLS" }, complaints("C: EHLO probe.example", "S: 502 no", "C: STARTTLS"))
    end)
  end)
end)
