local rcpt = require "rcpt"
local verdict = require "rcpt.verdict"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

-- DESIGN's four rows.
local EXPECTED = {
  deliverable = "accepted",
  risky = "catch_all mailbox_full receiving_too_fast mailbox_restricted accepted_by_relay",
  undeliverable = "syntax domain_not_found null_mx no_mail_host bogus_mx domain_no_mail mailbox_unknown"
    .. " mailbox_disabled mailbox_moved bounced",
  unknown = "greylisted rate_limited session_limit blocked ptr_or_helo callback_failed sender_rejected relay_denied"
    .. " tls_required auth_required policy_refusal message protocol temporary unclassified dns_failure connect_failed"
    .. " port_blocked timeout smtputf8_unsupported local_limit breaker_open preflight_failed hook_failed not_asked",
}

describe("the table of reasons", function()
  it("has each reason once, with the status it gives", function()
    local seen, n = {}, 0
    for _, row in ipairs(verdict.REASONS) do
      assert.is_nil(seen[row[1]], row[1])
      seen[row[1]] = row[2]
      n = n + 1
      assert.equal(5, #row, row[1])
    end
    for status, names in pairs(EXPECTED) do
      for name in names:gmatch("%S+") do
        assert.equal(status, seen[name], name)
        n = n - 1
      end
    end
    assert.equal(0, n)
  end)

  it("has the reasons replies give, about whom the core says", function()
    local header = read("src/wire/meaning.h")
    local n = 0
    for name, about in header:gmatch('X%([%w_]+,%s*"([%w_]+)",%s*([A-Z]+)%)') do
      n = n + 1
      assert.equal(about:lower(), verdict.about(name), name)
    end
    assert.is_true(n >= 20)
  end)

  it("is what doc/verdicts.md shows", function()
    assert.equal(dofile("check/verdicts.lua"), read("doc/verdicts.md"))
  end)
end)

describe("verdict.status", function()
  it("makes no 4yz reply undeliverable, whatever its reason", function()
    for _, row in ipairs(verdict.REASONS) do
      for _, code in ipairs { 400, 421, 450, 452, 499 } do
        assert.not_equal("undeliverable", verdict.status(row[1], code), row[1])
      end
      assert.equal(row[2], verdict.status(row[1], 550))
      assert.equal(row[2], verdict.status(row[1]))
    end
  end)
end)

describe("rcpt.classify", function()
  it("gives reason, whom it is about, and status", function()
    assert.same({ reason = "mailbox_unknown", about = "mailbox", status = "undeliverable" },
      rcpt.classify { code = 550, enhanced = "5.1.1", text = "user unknown", stage = "rcpt" })
    assert.same({ reason = "accepted", about = "mailbox", status = "deliverable" },
      rcpt.classify { code = 250, text = "ok", stage = "rcpt" })
  end)

  it("keeps a mailbox_unknown of the 4yz kind unknown", function()
    local meaning = rcpt.classify { code = 450, enhanced = "4.1.1", text = "user unknown", stage = "rcpt" }
    assert.equal("unknown", meaning.status)
  end)

  it("takes rcpt for the stage that is not given", function()
    assert.equal("mailbox_unknown", rcpt.classify({ code = 550, enhanced = "5.1.1", text = "user unknown" }).reason)
  end)

  it("raises on what is no reply", function()
    assert.has_error(function() rcpt.classify("550") end)
    assert.has_error(function() rcpt.classify { code = "x" } end)
  end)
end)
