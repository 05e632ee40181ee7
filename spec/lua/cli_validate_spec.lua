--- rcpt validate, against a small mail world.
local World = require "spec.support.world"
local cjson = require "cjson"
local cli = require "spec.support.cli"

local FIELDS = "address status reason passed stage level diagnosis position normalized ascii local domain mx host ip"
  .. " port reply catch_all flags suggestion confidence retry_after valid_until tls identity hook cached elapsed"

local world

local function words(...)
  local args = {
    "validate", "--nameserver", world.nameserver, "--port", tostring(world.port), "--allow-net", "127.0.0.0/8",
    "--helo", "probe.example", "--sender", "user@probe.example",
  }
  for _, word in ipairs { ... } do args[#args + 1] = word end
  return args
end

local function ask(...) return cli.run(words(...)) end

local function verdicts(output)
  local list, by = cli.lines(output), {}
  for i, line in ipairs(list) do
    list[i] = cjson.decode(line)
    by[list[i].address] = list[i]
  end
  return list, by
end

describe("rcpt validate", function()
  setup(function()
    local zones = {
      ["company.example"] = { MX = { { 10, "mx.company.example" } } },
      ["mx.company.example"] = { A = { "127.0.1.1" } },
      ["slow.example"] = { MX = { { 10, "mx.slow.example" } } },
      ["mx.slow.example"] = { A = { "127.0.1.2" } },
      ["backup.example"] = { MX = { { 10, "dead.example" }, { 20, "mx.company.example" } } },
      ["dead.example"] = { A = { "127.0.1.3" } },
      ["few.example"] = { MX = { { 10, "mx.few.example" } } },
      ["mx.few.example"] = { A = { "127.0.1.4" } },
      ["null.example"] = { MX = { { 0, "." } } },
      ["broken.example"] = { rcode = "SERVFAIL" },
    }
    world = World.start {
      zones = zones,
      hosts = {
        { ip = "127.0.1.1", name = "mx.company.example", rcpt = {
          ["user@company.example"] = "250 2.1.5 ok",
          ["user@backup.example"] = "250 2.1.5 ok",
          ["full@company.example"] = "452 4.2.2 Mailbox is full",
          ["rude@company.example"] = "550-5.1.1 no \27[31m\255\r\n550 5.1.1 such\226\128\174 user",
          ["*"] = "550 5.1.1 User unknown",
        } },
        { ip = "127.0.1.2", name = "mx.slow.example", greeting = { silence = true } },
        { ip = "127.0.1.4", name = "mx.few.example", delay = 0.02 },
        { ip = "127.0.1.3", name = "dead.example", refuse = true },
      },
    }
  end)
  teardown(function() world:stop() end)
  after_each(cli.sweep)

  describe("one address", function()
    it("gives 0 for deliverable and risky, 1 for undeliverable, 4 for unknown", function()
      local rows = {
        { "user@company.example", 0, "deliverable", "accepted" },
        { "full@company.example", 0, "risky", "mailbox_full" },
        { "none@company.example", 1, "undeliverable", "mailbox_unknown" },
        { "user@null.example", 1, "undeliverable", "null_mx" },
        { "two@@signs.example", 1, "undeliverable", "syntax" },
        { "user@broken.example", 4, "unknown", "dns_failure" },
        { "user@slow.example", 4, "unknown", "timeout" },
      }
      for _, row in ipairs(rows) do
        local got = ask("--json", "--timeout", "0.5", row[1])
        local found = cjson.decode(got.out)
        assert.same({ row[2], row[3], row[4] }, { got.code, found.status, found.reason }, row[1])
      end
    end)

    it("gives 0 where the level asked for was passed, 1 and 4 where it was not", function()
      assert.equal(0, ask("--level", "syntax", "user@null.example").code)
      assert.equal(0, ask("--level", "dns", "user@company.example").code)
      assert.equal(0, ask("--level", "connect", "none@company.example").code)
      assert.equal(1, ask("--level", "syntax", "user@").code)
      assert.equal(1, ask("--level", "dns", "user@null.example").code)
      assert.equal(4, ask("--level", "connect", "--timeout", "0.3", "user@slow.example").code)
    end)

    it("needs no name and no sender below level rcpt", function()
      local got = cli.run { "validate", "--level", "dns", "--nameserver", world.nameserver,
        "--allow-net", "127.0.0.0/8", "user@company.example" }
      assert.equal(0, got.code, got.err)
    end)

    it("shows a card with the evidence, and what was said where that was asked for", function()
      local got = ask("user@backup.example")
      assert.equal(0, got.code, got.err)
      for _, text in ipairs {
        "deliverable: accepted", "10 dead.example", "20 mx.company.example", "dead.example: refused",
        "mx.company.example (127.0.1.1, port " .. world.port .. ")", "250 2.1.5 ok",
        "probe.example <user@probe.example> from 127.0.0.1",
      } do assert.truthy(got.out:find(text, 1, true), text .. " is not in " .. got.out) end
      assert.falsy(got.out:find("RCPT TO", 1, true))
      assert.truthy(ask("--transcript", "user@backup.example").out:find("C: RCPT TO:<user@backup.example>", 1, true))
    end)

    it("shows what a server said as harmless text", function()
      for _, args in ipairs { { "rude@company.example" }, { "--transcript", "rude@company.example" },
        { "rude@company.example", "user@company.example" } } do
        local got = ask((table.unpack or unpack)(args)) -- luacheck: ignore
        assert.falsy((got.out:gsub("\n", "")):find("%c"))
        assert.falsy(got.out:find("\255", 1, true))
        assert.falsy(got.out:find("\226\128\174", 1, true))
        assert.truthy(got.out:find("no \\x1b[31m\\xff", 1, true), got.out)
      end
    end)
  end)

  describe("--json", function()
    it("has every field of a verdict, in one order, whatever the verdict", function()
      for _, address in ipairs { "user@company.example", "two@@signs.example" } do
        local line = ask("--json", address).out
        local at = 0
        for name in FIELDS:gmatch("%S+") do
          at = line:find('[{,]"' .. name .. '":', at + 1)
          assert.is_number(at, name .. " is missing or out of order: " .. line)
        end
      end
    end)

    it("tells lists from objects, and null from false", function()
      local line = ask("--json", "two@@signs.example").out
      for text in ('"mx":[] "flags":{} "reply":null "passed":false "catch_all":null "position":5'):gmatch("%S+") do
        assert.truthy(line:find(text, 1, true), text .. " is not in " .. line)
      end
    end)

    it("holds the evidence of each host", function()
      local found = cjson.decode(ask("--json", "user@backup.example").out)
      assert.same({ { host = "dead.example", preference = 10, implicit = false },
        { host = "mx.company.example", preference = 20, implicit = false } }, found.mx)
      assert.same({ code = 250, enhanced = "2.1.5", text = "ok", stage = "rcpt" }, found.reply)
      assert.equal("mx.company.example 127.0.1.1 " .. world.port, ("%s %s %d"):format(found.host, found.ip, found.port))
      assert.same({ "dead.example", "mx.company.example" }, { found.evidence[1].host, found.evidence[2].host })
      assert.same({ helo = "probe.example", sender = "user@probe.example", source = "127.0.0.1" }, found.identity)
      assert.is_number(found.elapsed)
      assert.is_nil(found.transcript)
      assert.is_string(cjson.decode(ask("--json", "--transcript", "user@backup.example").out).transcript)
    end)

    it("is valid UTF-8 whatever a server and the input say", function()
      local got = ask("--json", "--transcript", "rude@company.example")
      local text = require "rcpt.cli.text"
      assert.equal(got.out, text.repair(got.out))
      assert.truthy(cjson.decode(got.out).reply.text:find("\239\191\189", 1, true))
      local odd = cli.run(words("--json", "-"), { stdin = "a\255\0\r\t@company.example\r\n" }).out
      assert.equal(odd, text.repair(odd))
      assert.equal("a\239\191\189\0\r\t@company.example", cjson.decode(odd).address)
    end)
  end)

  describe("a list", function()
    it("answers several arguments and exits 0, whatever the answers", function()
      local got = ask("--json", "user@company.example", "none@company.example", "two@@signs.example")
      assert.equal(0, got.code)
      local list, by = verdicts(got.out)
      assert.equal(3, #list)
      assert.equal("deliverable", by["user@company.example"].status)
      assert.equal("mailbox_unknown", by["none@company.example"].reason)
      assert.equal("syntax", by["two@@signs.example"].reason)
    end)

    it("is a table that fits 80 columns, whatever the addresses and the replies", function()
      local long = ("x"):rep(60) .. "@" .. ("sub."):rep(40) .. "company.example"
      local wide = "\228\184\173\230\150\135@company.example"
      local got = cli.run(words("user@company.example", long, wide, "rude@company.example"), { env = { "COLUMNS=80" } })
      assert.equal(0, got.code)
      local text, rows = require "rcpt.cli.text", cli.lines(got.out)
      assert.equal(5, #rows)
      assert.matches("^address%s+status%s+reason%s+what was seen$", rows[1])
      for _, row in ipairs(rows) do assert.truthy(text.width(row) <= 80, row) end
      assert.matches("\nuser@company%.example +deliverable +accepted +250 2%.1%.5 ok", got.out)
      assert.truthy(got.out:find("…", 1, true))
    end)

    it("comes from standard input, CR LF and blank lines included; an empty one is answered", function()
      local got = cli.run(words("--json", "-"), { stdin = "user@company.example\r\n\r\n\nnone@company.example" })
      assert.equal(0, got.code, got.err)
      local _, by = verdicts(got.out)
      assert.equal("accepted", by["user@company.example"].reason)
      assert.equal("mailbox_unknown", by["none@company.example"].reason)
      local none = cli.run(words("--json", "-"), { stdin = "" })
      assert.same({ 0, "" }, { none.code, none.out })
    end)

    it("prints a verdict before the next address was given", function()
      cli.converse(words("--json", "-"), function(input, output)
        for _, address in ipairs { "user@company.example", "none@company.example", "full@company.example" } do
          input:write(address, "\n")
          assert.equal(address, cjson.decode(output:read("*l")).address)
        end
        input:close()
        assert.is_nil(output:read("*l"))
      end)
    end)

    it("does not wait for a slow one", function()
      cli.converse(words("--json", "--timeout", "1", "-"), function(input, output)
        input:write("user@slow.example\nuser@company.example\n")
        assert.equal("user@company.example", cjson.decode(output:read("*l")).address)
        assert.equal("timeout", cjson.decode(output:read("*l")).reason)
      end)
    end)

    it("answers each of three thousand once", function()
      local given = {}
      for i = 1, 3000 do given[i] = (i % 3 == 0 and "user%d@null.example" or "user%d@company.example"):format(i) end
      local got = cli.run(words("--json", "-"), { stdin = table.concat(given, "\n") })
      assert.equal(0, got.code, got.err)
      local list, by = verdicts(got.out)
      assert.equal(3000, #list)
      for i, address in ipairs(given) do
        assert.equal(i % 3 == 0 and "null_mx" or "mailbox_unknown", by[address].reason)
      end
    end)

    it("asks about at most so many at once", function()
      local got = cli.run(words("--json", "--concurrency", "3", "-"), { stdin = ("none@few.example\n"):rep(30) })
      assert.equal(30, #cli.lines(got.out))
      -- Leaving, we do not wait for the server: it may see the next one before it sees the last one gone.
      local most = world:max_open("mx.few.example")
      assert.truthy(most > 1 and most <= 6, most)
    end)
  end)

  describe("options from a file", function()
    it("are rcpt's own, and the command line wins", function()
      local path = cli.file(([[return {
        helo = "file.example", sender = "<>", nameservers = { %q }, port = %d, allow_nets = { "127.0.0.0/8" },
      }]]):format(world.nameserver, world.port))
      local found = cjson.decode(cli.run({ "validate", "--json", "--config", path, "user@company.example" }).out)
      assert.same({ "accepted", "file.example", "<>" }, { found.reason, found.identity.helo, found.identity.sender })
      found = cjson.decode(cli.run({ "validate", "--json", "--helo", "line.example", "--config", path,
        "user@company.example" }).out)
      assert.equal("line.example", found.identity.helo)
    end)

    it("are checked, with the name of the file", function()
      local rows = {
        { 'return { helo = "p.example", sender = "<>", deadlin = 3 }', "did you mean 'deadline'?" },
        { 'return { helo = "p.example", sender = "<>", deadline = "soon" }', "option 'deadline'" },
        { "return {", "option '--config': " }, { "return nil", "must return a table" },
      }
      for _, row in ipairs(rows) do
        local path = cli.file(row[1])
        local got = cli.run { "validate", "--config", path, "user@company.example" }
        assert.equal(2, got.code, row[1])
        assert.truthy(got.err:find(row[2], 1, true), got.err)
        assert.truthy(got.err:find(path, 1, true), got.err)
      end
      assert.equal(2, cli.run({ "validate", "--config", "/nonexistent", "user@company.example" }).code)
    end)
  end)

  describe("through a proxy", function()
    local proxied
    setup(function()
      proxied = World.start {
        zones = { ["tls.example"] = { MX = { { 10, "mx.tls.example" } } }, ["mx.tls.example"] = { A = "127.0.1.1" } },
        hosts = {
          { ip = "127.0.1.1", name = "mx.tls.example", tls = true, rcpt = "250 2.1.5 ok", vrfy = "252 maybe" },
        },
        proxies = { { user = "u", password = "s3cr3t:Pa55" } },
      }
    end)
    teardown(function() proxied:stop() end)

    local function through(env, ...)
      local args = {
        "validate", "--nameserver", proxied.nameserver, "--port", tostring(proxied.port), "--allow-net", "127.0.0.0/8",
        "--helo", "probe.example", "--sender", "<>", ...,
      }
      args[#args + 1] = "user@tls.example"
      local got = cli.run(args, { env = env })
      assert.falsy((got.out .. got.err):find("s3cr3t", 1, true))
      return got
    end

    it("shows the proxy and how the connection was secured", function()
      local got = through({ "RCPT_PROXY_AUTH=u:s3cr3t:Pa55" }, "--proxy", proxied.proxies[1])
      assert.equal(0, got.code, got.err)
      assert.truthy(got.out:find("through " .. proxied.proxies[1], 1, true), got.out)
      assert.truthy(got.out:find("TLS         TLSv1.%d "), got.out)
      assert.truthy(got.out:find("(not verified: ", 1, true), got.out)
      got = through({ "RCPT_PROXY_AUTH=u:s3cr3t:Pa55" }, "--proxy", proxied.proxies[1], "--json")
      local found = cjson.decode(got.out)
      assert.equal(proxied.proxies[1], found.identity.proxy)
      assert.is_false(found.tls.verified)
    end)

    it("tells what is wrong without the secret", function()
      local got = through({ "RCPT_PROXY_AUTH=u:s3cr3t" }, "--proxy", proxied.proxies[1])
      assert.equal(4, got.code)
      assert.truthy(got.out:find("connect_failed", 1, true))
      assert.equal(2, through({ "RCPT_PROXY_AUTH=s3cr3t" }, "--proxy", proxied.proxies[1]).code)
      assert.equal(2, through({}, "--proxy", "u:s3cr3t@127.0.0.1:1").code)
      local path = cli.file 'return { proxy = { host = "127.0.0.1", user = "u", password = "s3cr3t" oops } }'
      assert.equal(2, through({}, "--config", path).code)
    end)

    it("takes its user and password from a file too, and identities with it", function()
      local path = cli.file(([[return { identities = { { name = "far", proxy = {
        host = "127.0.0.1", port = %s, user = "u", password = "s3cr3t:Pa55" } } } }]])
        :format(proxied.proxies[1]:match("%d+$")))
      local got = through({}, "--config", path)
      assert.equal(0, got.code, got.out .. got.err)
      assert.truthy(got.out:find("far: probe.example <> from", 1, true), got.out)
      assert.truthy(got.out:find("through " .. proxied.proxies[1], 1, true), got.out)
      path = cli.file 'return { identities = { { name = "a", helo = "a.example", sender = "<>" } } }'
      got = cli.run { "validate", "--nameserver", proxied.nameserver, "--port", tostring(proxied.port), "--allow-net",
        "127.0.0.0/8", "--config", path, "--vrfy", "--tls", "off", "user@tls.example" }
      assert.equal(0, got.code, got.out .. got.err)
      assert.truthy(got.out:find("a: a.example <> from", 1, true), got.out)
      assert.falsy(got.out:find("TLSv1", 1, true))
    end)
  end)

  it("takes what later versions have, where leaving it out changes nothing", function()
    for name in ("rate_limit cache single_flight catch_all greylist breaker preflight_gate"):gmatch("%S+") do
      assert.equal(0, ask("--without", name, "user@company.example").code, name)
    end
    assert.equal(0, ask("--no-rate-limit", "--store", "memory", "user@company.example").code)
  end)

  it("answers unknown, dns_failure, after its time where no name server can be reached", function()
    local got = cli.run { "validate", "--json", "--level", "dns", "--nameserver", "127.0.0.1:1", "--timeout", "1",
      "user@company.example" }
    assert.equal(4, got.code)
    assert.equal("dns_failure", cjson.decode(got.out).reason)
  end)
end)
