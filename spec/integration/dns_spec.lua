-- Routes through real DNS: knot, the authority, asked itself, and unbound in front of it.
local servers = require "spec.support.servers"

describe("real DNS servers #integration", function()
  if servers.left_out(pending, "knot and unbound") then return end
  local core = require "rcpt.core"
  local rcpt = require "rcpt"
  local world

  setup(function() world = servers.start() end)

  -- "knot", "unbound", or a list of servers' addresses
  local function ask(address, server, extra)
    local options = world:options { nameservers = server and
      (type(server) == "table" and server or { world["nameserver_" .. server] }) }
    for name, value in pairs(extra or {}) do options[name] = value end
    local validator = rcpt.new(options)
    local verdict = assert(validator:validate(address))
    validator:close()
    return verdict
  end

  local function said(verdict) return { verdict.status, verdict.reason } end

  for _, server in ipairs { "knot", "unbound" } do
    describe("through " .. server, function()
      local ROWS = {
        { "anyone@null.example", "undeliverable", "null_mx", "a null MX (RFC 7505)" },
        { "anyone@gone.example", "undeliverable", "domain_not_found", "a domain that does not exist" },
        { "anyone@nothing.example", "undeliverable", "no_mail_host", "a domain with TXT alone" },
        { "user@implicit.example", "deliverable", "accepted", "a domain with an address and no MX" },
        { "user@second.example", "deliverable", "accepted", "a first host that is dead" },
        { "anyone@deadonly.example", "unknown", "connect_failed", "no host that lives" },
        { "anyone@nohost.example", "undeliverable", "bogus_mx", "an MX that does not exist" },
        { "user@alias.example", "deliverable", "accepted", "an MX that is an alias" },
        { "user@aliased.example", "deliverable", "accepted", "a domain that is an alias" },
        { "anyone@elsewhere.example.net", "unknown", "dns_failure", "REFUSED" },
      }
      for _, row in ipairs(ROWS) do
        it(("finds %s: %s, %s"):format(row[4], row[2], row[3]), function()
          assert.are.same({ row[2], row[3] }, said(ask(row[1], server)))
        end)
      end

      it("goes on to the second host and tells of both", function()
        local verdict = ask("user@second.example", server)
        assert.are.equal("mx.postfix.example", verdict.host)
        assert.are.equal(2, #verdict.evidence)
        assert.are.same({ "dead.second.example", "127.0.2.9" }, { verdict.evidence[1].host, verdict.evidence[1].ip })
        assert.are.same({ 10, 20 }, { verdict.mx[1].preference, verdict.mx[2].preference })
      end)

      it("calls an implicit host that", function()
        local verdict = ask("user@implicit.example", server)
        assert.are.same({ { host = "implicit.example", preference = 0, implicit = true } }, verdict.mx)
      end)

      it("takes an answer over 1232 octets by TCP, whole", function()
        local verdict = ask("user@big.example", server)
        assert.are.same({ "deliverable", "accepted" }, said(verdict))
        assert.are.equal(40, #verdict.mx)
        for i, mx in ipairs(verdict.mx) do
          assert.are.same({ i, ("host-number-%02d.of-a-domain-with-very-many-hosts.big.example"):format(i) },
            { mx.preference, mx.host })
        end
      end)

      it("does not connect to a loopback address that nobody allowed", function()
        local verdict = ask("user@postfix.example", server, { allow_nets = {} })
        assert.are.same({ "undeliverable", "bogus_mx" }, said(verdict))
      end)
    end)
  end

  describe("trouble", function()
    it("of a resolver that cannot prove the answer is SERVFAIL: dns_failure, though the records are there", function()
      local verdict = ask("user@bogus.example", "unbound")
      assert.are.same({ "unknown", "dns_failure", "servfail" }, { verdict.status, verdict.reason, verdict.diagnosis })
      assert.are_not.equal("dns_failure", ask("user@bogus.example", "knot").reason)
    end)

    it("of a lame delegation is SERVFAIL from the resolver", function()
      assert.are.same({ "unknown", "dns_failure" }, said(ask("user@lame.test", "unbound")))
    end)

    it("of a lame server: a referral is no denial", function()
      assert.are.same({ "unknown", "dns_failure" }, said(ask("user@lame.example", "knot")))
    end)

    it("of a domain whose server is dead ends when its time does", function()
      local verdict = ask("user@dead.example", "unbound", { dns_timeout = 0.5 })
      assert.are.same({ "unknown", "dns_failure" }, said(verdict))
      assert.is_true(verdict.elapsed < 5, verdict.elapsed)
    end)

    it("of a nameserver nobody runs is dns_failure, and of the first of two nothing at all", function()
      local nobody = "127.0.2.9:" .. world.port
      assert.are.same({ "unknown", "dns_failure" },
        said(ask("user@postfix.example", { nobody }, { dns_timeout = 1 })))
      assert.are.same({ "deliverable", "accepted" },
        said(ask("user@postfix.example", { nobody, world.nameserver_knot })))
    end)
  end)

  describe("time to live", function()
    local engine, resolver

    before_each(function()
      engine = assert(core.engine())
      resolver = assert(engine:resolver { servers = world.nameserver_knot })
    end)
    after_each(function()
      resolver:close()
      engine:close()
    end)

    local function finish(job)
      while true do
        assert(engine:step())
        for ended, result, message in engine:drain() do
          if ended == job then return assert(result, message) end
        end
        engine:wait()
      end
    end
    local function look_up(kind, name) return finish(assert(resolver:lookup(kind, name, 5))) end

    it("keeps a record and a denial of 2 s for 2 s and asks again", function()
      local expected = { ["short.example"] = "noerror", ["gone.example"] = "nxdomain" }
      local began = core.now()
      for _, cached in ipairs { false, true } do
        for name, status in pairs(expected) do
          local answer = look_up("MX", name)
          assert.are.same({ status, cached }, { answer.status, answer.cached }, name)
        end
      end
      assert.is_true(core.now() - began < 2, "this machine is too slow for 2 s")
      assert.is_true(finish(assert(engine:sleep(2.1))))
      for name, status in pairs(expected) do
        local answer = look_up("MX", name)
        assert.are.same({ status, false }, { answer.status, answer.cached }, name)
      end
    end)

    it("is what spares the resolver questions: unbound saw one for two verdicts", function()
      local function questions()
        local _, n = world:log("unbound"):gsub("127%.0%.0%.1 kept%.example%. MX IN", "")
        return n
      end
      local before = questions()
      for _ = 1, 2 do assert.are.equal("relay_denied", ask("user@kept.example", "unbound").reason) end
      assert.are.equal(1, questions() - before)
    end)
  end)
end)
