local rcpt = require "rcpt"
local verdict_table = require "rcpt.verdict"
local World = require "spec.support.world"

local OK, NO = "250 2.1.5 ok", "550 5.1.1 <x>: user unknown"

-- One world for all: a domain a case, a host an address.
local function mx(...)
  local list = {}
  for i, host in ipairs { ... } do list[i] = { i * 10, host } end
  return { MX = list }
end

local ZONES = {
  ["ok.example"] = mx "mx.ok.example", ["mx.ok.example"] = { A = "127.0.1.1" },
  ["implicit.example"] = { A = "127.0.1.1" },
  ["null.example"] = { MX = { { 0, "." } } },
  ["null10.example"] = { MX = { { 10, "." } } },
  ["dots.example"] = { MX = { { 0, "." }, { 10, "mx.ok.example" } } },
  ["text.example"] = { TXT = "no mail here" },
  ["missing.example"] = mx("gone1.example", "gone2.example"),
  ["private.example"] = mx "mx.private.example", ["mx.private.example"] = { A = "10.1.2.3" },
  ["private6.example"] = mx "mx.private6.example", ["mx.private6.example"] = { AAAA = "fd00::1" },
  ["isip.example"] = mx "192.0.2.1",
  ["mixed.example"] = mx("gone1.example", "mx.private.example", "mx.ok.example"),
  ["alias.example"] = mx "cname.example", ["cname.example"] = { CNAME = "mx.ok.example" },
  ["servfail.example"] = { rcode = "SERVFAIL" },
  ["refused.example"] = { rcode = "REFUSED" },
  ["hostfail.example"] = mx("mx.hostfail.example"), ["mx.hostfail.example"] = { rcode = "SERVFAIL" },
  ["halffail.example"] = mx("mx.hostfail.example", "gone1.example"),
  ["dead.example"] = mx "mx.dead.example", ["mx.dead.example"] = { A = "127.0.1.2" },
  ["second.example"] = mx("mx.dead.example", "mx.ok.example"),
  ["grey.example"] = mx "mx.grey.example", ["mx.grey.example"] = { A = "127.0.1.3" },
  ["backup.example"] = mx("mx.grey.example", "mx.ok.example"),
  ["equal.example"] = { MX = { { 10, "mx.grey.example" }, { 10, "mx.ok.example" } } },
  ["busy.example"] = mx "mx.busy.example", ["mx.busy.example"] = { A = "127.0.1.4" },
  ["busybackup.example"] = mx("mx.busy.example", "mx.ok.example"),
  ["blocked.example"] = mx "mx.blocked.example", ["mx.blocked.example"] = { A = "127.0.1.5" },
  ["blockeddead.example"] = mx("mx.dead.example", "mx.blocked.example"),
  ["relay.example"] = mx "mx.relay.example", ["mx.relay.example"] = { A = "127.0.1.6" },
  ["relayok.example"] = mx("mx.relay.example", "mx.ok.example"),
  ["relaygrey.example"] = mx("mx.relay.example", "mx.grey.example"),
  ["sender.example"] = mx("mx.sender.example", "mx.ok.example"), ["mx.sender.example"] = { A = "127.0.1.7" },
  ["silent.example"] = mx "mx.silent.example", ["mx.silent.example"] = { A = "127.0.1.8" },
  ["hangup.example"] = mx "mx.hangup.example", ["mx.hangup.example"] = { A = "127.0.1.9" },
  ["http.example"] = mx "mx.http.example", ["mx.http.example"] = { A = "127.0.1.10" },
  ["old.example"] = mx "mx.old.example", ["mx.old.example"] = { A = "127.0.1.11" },
  ["many.example"] = mx("mx.dead.example", "mx.dead2.example", "mx.dead3.example", "mx.ok.example"),
  ["mx.dead2.example"] = { A = "127.0.1.2" }, ["mx.dead3.example"] = { A = "127.0.1.2" },
  ["twice.example"] = { MX = { { 20, "mx.grey.example" }, { 10, "mx.grey.example" } } },
  ["nomail.example"] = mx("mx.nomail.example"), ["mx.nomail.example"] = { A = "127.0.1.12" },
  ["nomaildead.example"] = mx("mx.nomail.example", "mx.dead.example"),
}

-- A better host that knows the mailbox and does not take mail for it now, and a worse one that denies it.
for i, name in ipairs { "full", "fast", "shut" } do
  ZONES[name .. "mx.example"] = mx("mx." .. name .. ".example", "mx.ok.example")
  ZONES["equal" .. name .. ".example"] = { MX = { { 10, "mx." .. name .. ".example" }, { 10, "mx.ok.example" } } }
  ZONES["mx." .. name .. ".example"] = { A = "127.0.1." .. 20 + i }
end
ZONES["greyno.example"] = mx("mx.grey.example", "mx.no.example")
ZONES["mx.no.example"] = { A = "127.0.1.24" }
ZONES["both.example"] = mx "mx.both.example"
ZONES["mx.both.example"] = { A = "127.0.1.13", AAAA = "::1" }
ZONES["half6.example"] = mx "mx.half6.example"
ZONES["mx.half6.example"] = { A = "127.0.1.13", on = { AAAA = { rcode = "SERVFAIL" } } }
ZONES["none6.example"] = mx "mx.none6.example"
ZONES["mx.none6.example"] = { TXT = "x", on = { AAAA = { rcode = "SERVFAIL" } } }
ZONES["mute.example"] = mx "mx.mute.example"
ZONES["mx.mute.example"] = { A = "127.0.1.14" }
do
  local crowd = {}
  for i = 1, 25 do crowd[i] = { i, "gone" .. i .. ".example" } end
  ZONES["crowd.example"] = { MX = crowd }
end

local function host(n, name, script)
  script.ip, script.name = "127.0.1." .. n, name
  return script
end

local HOSTS = {
  host(1, "mx.ok.example", { rcpt = {
    ["user@ok.example"] = OK, ["USER@ok.example"] = OK, ["*@implicit.example"] = OK, ["*@mixed.example"] = OK,
    ["*@alias.example"] = OK, ["*@second.example"] = OK, ["*@backup.example"] = OK, ["*@busybackup.example"] = OK,
    ["*@relayok.example"] = OK, ["*@dots.example"] = OK, ["*@equal.example"] = OK, ["user@[127.0.1.1]"] = OK,
    ["full@ok.example"] = "452 4.2.2 mailbox full", ["later@ok.example"] = "450 4.1.1 user unknown",
    ["\"a b\"@ok.example"] = OK, ["\195\188ser@ok.example"] = OK, ["*"] = NO } }),
  host(2, "mx.dead.example", { refuse = true }),
  host(3, "mx.grey.example", { rcpt = "450 4.7.1 Greylisted, try again later" }),
  host(4, "mx.busy.example", { greeting = "421 4.3.2 too busy, closing" }),
  host(5, "mx.blocked.example", { greeting = "554 5.7.1 your IP is listed at zen.spamhaus.example" }),
  host(6, "mx.relay.example", { rcpt = "554 5.7.1 <x>: Relay access denied" }),
  host(7, "mx.sender.example", { mail = "550 5.1.8 sender address rejected: domain not found" }),
  host(8, "mx.silent.example", { greeting = { silence = true } }),
  host(9, "mx.hangup.example", { mail = { close = true } }),
  host(10, "mx.http.example", { http_instead = true }),
  host(11, "mx.old.example", { ehlo = "500 what", helo = "250 mx.old.example", rcpt = OK }),
  host(12, "mx.nomail.example", { greeting = "521 5.3.2 this host does not accept mail" }),
  host(14, "mx.mute.example", { rcpt = { silence = true } }),
  host(21, "mx.full.example", { rcpt = "452 4.2.2 mailbox full" }),
  host(22, "mx.fast.example", { rcpt = "450 4.2.1 The user you are trying to contact is receiving mail too quickly" }),
  host(23, "mx.shut.example", { rcpt = "450 4.2.1 mailbox is temporarily disabled" }),
  host(24, "mx.no.example", { rcpt = NO }),
  { ip = { "127.0.1.13", "::1" }, name = "mx.both.example", rcpt = OK },
}

describe("validator:validate", function()
  local world, validator
  setup(function()
    world = World.start { zones = ZONES, hosts = HOSTS }
    validator = rcpt.new(world:options { deadline = 10, dns_timeout = 3 })
  end)
  teardown(function()
    validator:close()
    world:stop()
  end)

  local function ask(address, given) return assert(validator:validate(address, given)) end

  local function short(verdict)
    return verdict.status .. " " .. verdict.reason .. " " .. verdict.stage .. " " .. tostring(verdict.diagnosis)
  end

  it("answers each case with its verdict", function()
    for _, case in ipairs {
      { "user@ok.example", "deliverable accepted rcpt nil" },
      { "nobody@ok.example", "undeliverable mailbox_unknown rcpt nil" },
      { "full@ok.example", "risky mailbox_full rcpt nil" },
      { "later@ok.example", "unknown mailbox_unknown rcpt nil" },
      { "user@", "undeliverable syntax syntax domain_empty" },
      { "user@implicit.example", "deliverable accepted rcpt nil" },
      { "user@null.example", "undeliverable null_mx dns nil" },
      { "user@null10.example", "undeliverable null_mx dns nil" },
      { "user@dots.example", "deliverable accepted rcpt nil" },
      { "user@nowhere.example", "undeliverable domain_not_found dns nil" },
      { "user@text.example", "undeliverable no_mail_host dns nil" },
      { "user@missing.example", "undeliverable bogus_mx dns missing" },
      { "user@private.example", "undeliverable bogus_mx dns not_public" },
      { "user@private6.example", "undeliverable bogus_mx dns not_public" },
      { "user@isip.example", "undeliverable bogus_mx dns is_ip" },
      { "user@mixed.example", "deliverable accepted rcpt nil" },
      { "user@alias.example", "deliverable accepted rcpt nil" },
      { "user@servfail.example", "unknown dns_failure dns servfail" },
      { "user@refused.example", "unknown dns_failure dns refused" },
      { "user@hostfail.example", "unknown dns_failure dns servfail" },
      { "user@halffail.example", "unknown dns_failure dns servfail" },
      { "user@dead.example", "unknown connect_failed connect refused" },
      { "user@second.example", "deliverable accepted rcpt nil" },
      { "user@grey.example", "unknown greylisted rcpt nil" },
      { "user@backup.example", "risky accepted rcpt backup_host" },
      { "user@busybackup.example", "risky accepted rcpt backup_host" },
      { "user@equal.example", "deliverable accepted rcpt nil" },
      { "user@blocked.example", "unknown blocked greeting nil" },
      { "user@blockeddead.example", "unknown blocked greeting nil" },
      { "user@relay.example", "unknown relay_denied rcpt nil" },
      { "user@relayok.example", "risky accepted rcpt backup_host" },
      { "user@relaygrey.example", "unknown greylisted rcpt nil" },
      { "user@sender.example", "unknown sender_rejected mail nil" },
      { "user@hangup.example", "unknown connect_failed mail eof" },
      { "user@old.example", "deliverable accepted rcpt nil" },
      { "user@[127.0.1.1]", "deliverable accepted rcpt nil" },
      { "user@[10.0.0.1]", "undeliverable bogus_mx dns not_public" },
      { "\"a b\"@ok.example", "deliverable accepted rcpt nil" },
      { "\195\188ser@ok.example", "deliverable accepted rcpt nil" },
      { "\195\188ser@old.example", "unknown smtputf8_unsupported helo smtputf8_unsupported" },
      { "user@nomaildead.example", "unknown domain_no_mail greeting nil" },
    } do
      assert.equal(case[2], short(ask(case[1])), case[1])
    end
  end)

  it("takes a peer of another protocol for no mail server", function()
    local verdict = ask("user@http.example")
    assert.equal("unknown protocol", verdict.status .. " " .. verdict.reason)
  end)

  it("gives up on a silent greeting when its patience ends", function()
    local verdict = ask("user@silent.example", { greeting_timeout = 0.1 })
    assert.equal("unknown timeout greeting timeout", short(verdict))
  end)

  it("ends at the deadline and tells what is known", function()
    local verdict = ask("user@silent.example", { deadline = 0.1 })
    assert.equal("unknown", verdict.status)
    assert.equal("timeout", verdict.reason)
    assert.equal("mx.silent.example", verdict.host)
    assert.is_true(verdict.elapsed < 2)
  end)

  it("holds the fields it names, and no other", function()
    local names = {}
    for _, row in ipairs(verdict_table.FIELDS) do names[row[1]] = true end
    for _, address in ipairs { "user@ok.example", "bad", "user@dead.example", "user@private.example" } do
      for name in pairs(ask(address, { transcript = true })) do assert.is_true(names[name], name) end
    end
  end)

  it("tells who was asked, what was said and who asked", function()
    local verdict = ask("USER@ok.example")
    assert.equal("USER@ok.example", verdict.address)
    assert.equal("USER@ok.example", verdict.normalized)
    assert.equal("USER", verdict["local"])
    assert.equal("ok.example", verdict.domain)
    assert.same({ { host = "mx.ok.example", preference = 10, implicit = false } }, verdict.mx)
    assert.equal("mx.ok.example", verdict.host)
    assert.equal("127.0.1.1", verdict.ip)
    assert.equal(world.port, verdict.port)
    assert.same({ code = 250, enhanced = "2.1.5", text = "ok", stage = "rcpt" }, verdict.reply)
    assert.equal(world:options().helo, verdict.identity.helo)
    assert.equal(world:options().sender, verdict.identity.sender)
    assert.truthy(verdict.identity.source)
    assert.is_nil(verdict.catch_all)
    assert.is_true(verdict.passed)
    local stages = {}
    for i, reply in ipairs(verdict.evidence[1].replies) do stages[i] = reply.stage end
    assert.equal("greeting ehlo mail rcpt", table.concat(stages, " "))
  end)

  it("keeps evidence of each host in the order asked", function()
    local verdict = ask("user@mixed.example")
    local seen = {}
    for i, entry in ipairs(verdict.evidence) do seen[i] = entry.host .. ":" .. tostring(entry.error) end
    assert.same({ "gone1.example:missing", "mx.private.example:not_public", "mx.ok.example:nil" }, seen)
  end)

  it("keeps what was said where that is asked for, never with DATA", function()
    local verdict = ask("user@second.example", { transcript = true })
    assert.truthy(verdict.transcript:find("* mx.ok.example 127.0.1.1\n", 1, true))
    assert.truthy(verdict.transcript:find("C: RCPT TO:<user@second.example>\n", 1, true))
    assert.truthy(verdict.transcript:find("S: 250 2.1.5 ok", 1, true))
    assert.falsy(verdict.transcript:find("DATA", 1, true))
    assert.is_nil(ask("user@ok.example").transcript)
  end)

  it("takes the null sender", function()
    local verdict = ask("user@ok.example", { sender = "<>", transcript = true })
    assert.truthy(verdict.transcript:find("C: MAIL FROM:<>", 1, true))
    assert.equal("<>", verdict.identity.sender)
  end)

  it("asks from the source it is given, and says where it cannot", function()
    assert.equal("127.0.0.5", ask("user@ok.example", { source = "127.0.0.5" }).identity.source)
    assert.equal("unknown connect_failed connect source",
      short(ask("user@ok.example", { source = "192.0.2.77", allow_nets = { "127.0.0.0/8" } })))
  end)

  it("prefers IPv4 without an IPv6 source, and IPv6 with one", function()
    assert.equal("127.0.1.13", ask("user@both.example").ip)
    assert.equal("::1", ask("user@both.example", { source = "::1" }).ip)
  end)

  it("takes the family that is there when the DNS fails for the other", function()
    assert.equal("accepted", ask("user@half6.example").reason)
  end)

  it("does not call a host missing when one family's DNS failed", function()
    assert.equal("unknown dns_failure dns servfail", short(ask("user@none6.example")))
  end)

  it("lets the better host's answer stand where a worse one denies a mailbox it knows", function()
    for domain, answer in pairs { fullmx = "risky mailbox_full", fastmx = "risky receiving_too_fast",
      shutmx = "unknown mailbox_disabled" } do
      local verdict = ask("nobody@" .. domain .. ".example")
      assert.equal(answer .. " rcpt nil", short(verdict))
      assert.equal("mx." .. domain:sub(1, -3) .. ".example", verdict.host)
      assert.equal(2, #verdict.evidence)
    end
    assert.equal("undeliverable mailbox_unknown rcpt nil", short(ask("nobody@greyno.example")))
  end)

  it("never calls a mailbox undeliverable that one of two equal hosts knows", function()
    local statuses = {}
    for _ = 1, 20 do
      local verdict = ask("nobody@equalfull.example")
      statuses[verdict.reason] = true
      if verdict.evidence[2] then assert.equal("risky mailbox_full", verdict.status .. " " .. verdict.reason) end
    end
    assert.is_true(statuses.mailbox_full)
  end)

  it("takes a host of equal preference for as good as the one that did not decide", function()
    for _ = 1, 12 do assert.equal("deliverable", ask("user@equal.example").status) end
  end)

  it("ends at the deadline while a question is on its way", function()
    local verdict = ask("user@mute.example", { deadline = 0.1 })
    assert.equal("unknown timeout rcpt timeout", short(verdict))
    assert.equal("mx.mute.example", verdict.host)
  end)

  it("looks at no more than 20 hosts, and says so rather than call the domain bogus", function()
    assert.equal("unknown dns_failure dns too_many_hosts", short(ask("user@crowd.example")))
  end)

  it("asks max_hosts hosts and no more", function()
    local verdict = ask("user@many.example", { max_hosts = 2 })
    assert.equal("unknown connect_failed connect refused", short(verdict))
    assert.equal(2, #verdict.evidence)
    assert.equal("deliverable", ask("user@second.example", { max_hosts = 2 }).status)
  end)

  it("asks a host named twice once", function()
    assert.equal(1, #ask("user@twice.example").evidence)
  end)

  it("stops on a definite answer", function()
    local verdict = ask("user@sender.example")
    assert.equal(1, #verdict.evidence)
  end)

  it("sends nothing for what is no address, and asks no DNS", function()
    local before = #world:journal()
    assert.equal("syntax", ask("nobody@").reason)
    assert.equal("control_character", ask("a@ok.example\r\nDATA").diagnosis)
    assert.equal(before, #world:journal())
  end)

  describe("below level rcpt", function()
    it("says how deep it went, and that no more was asked", function()
      for _, level in ipairs { "syntax", "dns", "connect" } do
        local verdict = ask("nobody@ok.example", { level = level })
        assert.equal("unknown not_asked " .. level .. " nil", short(verdict))
        assert.is_true(verdict.passed)
        assert.equal(level, verdict.level)
      end
    end)

    it("sends nothing but QUIT after the greeting (S10)", function()
      local verdict = ask("user@ok.example", { level = "connect", transcript = true })
      assert.equal(220, verdict.reply.code)
      for line in verdict.transcript:gmatch("C: ([^\n]*)") do assert.equal("QUIT", line) end
    end)

    it("never blames the mailbox for a host that refuses us (S11)", function()
      for domain, reason in pairs { dead = "connect_failed", blocked = "blocked", nomail = "domain_no_mail" } do
        local verdict = ask("user@" .. domain .. ".example", { level = "connect" })
        assert.equal("unknown", verdict.status, domain)
        assert.equal(reason, verdict.reason)
        assert.is_false(verdict.passed)
      end
    end)

    it("goes on to the next host where one is dead (S11)", function()
      local verdict = ask("user@second.example", { level = "connect" })
      assert.is_true(verdict.passed)
      assert.equal("mx.ok.example", verdict.host)
    end)

    it("needs no helo and no sender", function()
      local given = world:options { level = "connect" }
      given.helo, given.sender = nil, nil
      local bare = rcpt.new(given)
      assert.is_true(bare:validate("user@ok.example").passed)
    end)

    it("still finds a domain without mail at level dns", function()
      assert.equal("null_mx", ask("user@null.example", { level = "dns" }).reason)
      assert.equal("bogus_mx", ask("user@private.example", { level = "dns" }).reason)
    end)
  end)

  it("shuffles hosts of equal preference", function()
    local first = {}
    for _ = 1, 60 do
      first[ask("user@equal.example", { level = "dns" }).mx[1].host] = true
    end
    assert.is_true(first["mx.grey.example"] and first["mx.ok.example"])
  end)

  it("makes a verdict of its own for each caller", function()
    assert.not_equal(ask("user@ok.example").mx, ask("user@ok.example").mx)
  end)
end)

describe("an unreachable nameserver", function()
  it("gives unknown, dns_failure after its time", function()
    local validator = rcpt.new { helo = "probe.example.net", sender = "<>", nameservers = { "127.0.0.1:1" },
      dns_timeout = 0.2 }
    local verdict = validator:validate("a@b.example")
    assert.equal("unknown dns_failure dns", verdict.status .. " " .. verdict.reason .. " " .. verdict.stage)
    assert.is_true(verdict.elapsed < 2)
  end)
end)

describe("rcpt.validate", function()
  it("asks once, with a validator of its own", function()
    local verdict = rcpt.validate("a@b.example", { level = "syntax" })
    assert.equal("not_asked", verdict.reason)
    assert.has_error(function() rcpt.validate(1, {}) end)
    assert.has_error(function() rcpt.validate("a@b.example", {}) end)
  end)
end)

describe("rcpt.parse", function()
  it("looks at the syntax", function()
    local parsed = rcpt.parse("User@B\195\188cher.Example")
    assert.is_true(parsed.valid)
    assert.equal("User@xn--bcher-kva.example", parsed.ascii)
    local refused = rcpt.parse("user@")
    assert.is_false(refused.valid)
    assert.equal(6, refused.position)
  end)

  it("takes its own options alone", function()
    assert.is_false(rcpt.parse("\"a b\"@c.example", { quoted = false }).valid)
    assert.has_error(function() rcpt.parse("a@b.example", { helo = "x" }) end)
    assert.has_error(function() rcpt.parse("a@b.example", { quoted = 1 }) end)
    assert.has_error(function() rcpt.parse(nil) end)
  end)
end)

describe("validator:close", function()
  it("answers later questions with nil, message, closed", function()
    local validator = rcpt.new { level = "syntax" }
    validator:close()
    validator:close()
    local verdict, message, code = validator:validate("a@b.example")
    assert.is_nil(verdict)
    assert.equal("string", type(message))
    assert.equal("closed", code)
  end)
end)
