-- The real servers themselves, asked without rcpt: what the other specs here take for granted of them.
local servers = require "spec.support.servers"

describe("the real servers #integration", function()
  if servers.left_out(pending, "the real servers themselves") then return end
  local world

  setup(function() world = servers.start() end)

  local EHLO, MAIL = "EHLO probe.example", "MAIL FROM:<user@probe.example>"
  local function rcpt(name, host) return ("RCPT TO:<%s@%s.example>"):format(name, host) end

  -- The codes of the replies, the greeting's first.
  local function codes(host, commands)
    local list = {}
    for i, line in ipairs(world:talk(host, commands)) do list[i] = tonumber(line:match("^%d%d%d")) end
    return list
  end

  -- The keywords that EHLO is answered with, as a set.
  local function offers(host)
    local set = {}
    for keyword in world:talk(host, { EHLO, "QUIT" })[2]:gmatch("\n250[ -]([%w-]+)") do set[keyword] = true end
    return set
  end

  for _, host in ipairs { "postfix", "exim", "opensmtpd", "shared", "strict", "bare", "lockstep" } do
    it(host .. " knows user77, and not nobody, and has no TLS", function()
      local domain = host == "shared" and "shared07" or host
      local unknown = host == "opensmtpd" and 524 or 550
      assert.are.same({ 220, 250, 250, 250, unknown, 221 },
        codes(host, { EHLO, MAIL, rcpt("user77", domain), rcpt("nobody", domain), "QUIT" }))
      assert.is_nil(offers(host).STARTTLS)
    end)
  end

  describe("and TLS:", function()
    for host, verified in pairs { must = "OK", may = "OK", eximtls = "OK", selfsigned = "self-signed certificate",
      wrongname = "hostname mismatch", expired = "certificate has expired" } do
      it(host .. " has it; its certificate: " .. verified, function()
        assert.is_true(offers(host).STARTTLS)
        local facts = assert(world:handshake(host))
        assert.are.same({ "TLSv1.3", verified }, { facts.version, facts.verified })
      end)
    end

    it("oldtls has it of 1999 only", function()
      assert.are.equal("TLSv1", assert(world:handshake("oldtls", "-tls1 -cipher ALL:@SECLEVEL=0")).version)
      assert.is_nil(world:handshake("oldtls", "-tls1_2"))
    end)

    for _, host in ipairs { "badkey", "broken", "brokenmust" } do
      it(host .. " offers it and cannot do it", function()
        assert.is_true(offers(host).STARTTLS)
        assert.is_nil(world:handshake(host))
      end)
    end

    it("badkey says so in SMTP, broken is ready and then fails", function()
      assert.are.same({ 220, 250, 454, 221 }, codes("badkey", { EHLO, "STARTTLS", "QUIT" }))
      assert.are.same({ 220, 250, 220 }, codes("broken", { EHLO, "STARTTLS" }))
    end)

    for _, host in ipairs { "must", "brokenmust", "openmust" } do
      it(host .. " refuses MAIL before it: 530", function()
        assert.are.same({ 220, 250, 530, 221 }, codes(host, { EHLO, MAIL, "QUIT" }))
      end)
    end

    it("opentls and openmust offer it, whatever their OpenSSL makes of it", function()
      assert.is_true(offers("opentls").STARTTLS)
      assert.is_true(offers("openmust").STARTTLS)
      assert.are.equal(world:handshake("opentls") == nil, world:handshake("openmust") == nil)
    end)
  end)

  describe("and limits:", function()
    local function asked(host, n)
      local list = { EHLO, MAIL }
      for i = 1, n do list[#list + 1] = rcpt("user" .. i, host) end
      return list
    end

    for host, n in pairs { one = 1, three = 3, eximone = 1, eximthree = 3 } do
      it(host .. " takes " .. n .. " a transaction: 452", function()
        local expected = { 220, 250, 250 }
        for i = 1, 5 do expected[#expected + 1] = i <= n and 250 or 452 end
        assert.are.same(expected, codes(host, asked(host, 5)))
      end)
    end

    it("one takes another in the next transaction, eximone in the next connection only", function()
      for host, last in pairs { one = 250, eximone = 452 } do
        assert.are.same({ 220, 250, 250, 250, 250, 250, last },
          codes(host, { EHLO, MAIL, rcpt("user", host), "RSET", MAIL, rcpt("user", host) }))
      end
    end)

    it("eximmails takes three transactions a connection: 421, and goes on listening", function()
      assert.are.same({ 220, 250, 250, 250, 250, 250, 250, 250, 421, 250, 221 },
        codes("eximmails", { EHLO, MAIL, "RSET", MAIL, "RSET", MAIL, "RSET", MAIL, "RSET", "QUIT" }))
    end)

    it("strict hangs up at the fourth error: 421", function()
      assert.are.same({ 220, 250, 250, 550, 550, 550, 421 }, codes("strict", { EHLO, MAIL, rcpt("no", "strict"),
        rcpt("no", "strict"), rcpt("no", "strict"), rcpt("no", "strict"), "QUIT" }))
    end)

    it("junk hangs up at the seventh RSET: 421", function()
      assert.are.same({ 220, 250, 250, 250, 250, 250, 250, 250, 421 },
        codes("junk", { EHLO, "RSET", "RSET", "RSET", "RSET", "RSET", "RSET", "RSET", "QUIT" }))
    end)
  end)

  describe("and manners:", function()
    it("bare offers nothing at all, postfix SMTPUTF8, opensmtpd none", function()
      assert.are.same({}, offers("bare"))
      assert.is_true(offers("postfix").SMTPUTF8)
      assert.is_nil(offers("opensmtpd").SMTPUTF8)
    end)

    it("VRFY: 252 and 550 of Postfix, 250 and 550 of Exim, 502 where it is off, 500 of OpenSMTPD", function()
      for host, expected in pairs { postfix = { 252, 550 }, exim = { 250, 550 }, bare = { 502, 502 },
        opensmtpd = { 500, 500 }, eximtls = { 252, 252 } } do
        assert.are.same({ 220, 250, expected[1], expected[2], 221 }, codes(host, { EHLO,
          ("VRFY user@%s.example"):format(host), ("VRFY nobody@%s.example"):format(host), "QUIT" }), host)
      end
    end)

    it("postfix has a mailbox beyond ASCII", function()
      assert.are.same({ 220, 250, 250, 250, 550, 221 }, codes("postfix", { EHLO, MAIL .. " SMTPUTF8",
        rcpt("pel\195\169", "postfix"), rcpt("pel\195\168", "postfix"), "QUIT" }))
    end)

    it("lockstep hangs up on who does not wait for a reply, exim takes it, for it offers PIPELINING", function()
      local both = MAIL .. "\r\n" .. rcpt("user", "lockstep")
      assert.are.same({ 220, 250, 554 }, codes("lockstep", { EHLO, both }))
      assert.are.same({ 220, 250, 250, 250 }, codes("exim", { EHLO, both, "QUIT" }))
    end)
  end)
end)
