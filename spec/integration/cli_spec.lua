-- The command line against real servers: addresses in by a pipe, JSON out.
local servers = require "spec.support.servers"

describe("bin/rcpt and real servers #integration", function()
  if servers.left_out(pending, "the command line against real servers") then return end
  local cjson = require "cjson"
  local cli = require "spec.support.cli"
  local world

  setup(function() world = servers.start() end)

  local ADDRESSES = {
    ["user@postfix.example"] = { "deliverable", "accepted", 250 },
    ["nobody@postfix.example"] = { "undeliverable", "mailbox_unknown", 550 },
    ["user@exim.example"] = { "deliverable", "accepted", 250 },
    ["full@exim.example"] = { "risky", "mailbox_full", 550 },
    ["nobody@opensmtpd.example"] = { "undeliverable", "mailbox_unknown", 524 },
    ["grey@opensmtpd.example"] = { "unknown", "greylisted", 450 },
    ["anyone@null.example"] = { "undeliverable", "null_mx" },
    ["anyone@bogus.example"] = { "unknown", "dns_failure" },
  }
  local FIELDS = { "address", "status", "reason", "passed", "stage", "level", "normalized", "ascii", "local", "domain",
    "mx", "host", "ip", "port", "reply", "identity", "elapsed" }

  local function arguments(...)
    return { "validate", "--json", "--nameserver", world.nameserver_unbound, "--port", tostring(world.port),
      "--helo", "probe.example", "--sender", "user@probe.example", "--allow-net", "127.0.0.0/8", ... }
  end

  after_each(cli.sweep)

  it("reads addresses from a pipe and prints one JSON verdict a line", function()
    local input, n = {}, 0
    for address in pairs(ADDRESSES) do input[#input + 1] = address end
    local run = cli.run(arguments("-"), { stdin = table.concat(input, "\n") .. "\n" })
    assert.are.same({ 0, "" }, { run.code, run.err })
    for _, line in ipairs(cli.lines(run.out)) do
      local verdict = cjson.decode(line)
      local expected = assert(ADDRESSES[verdict.address], line)
      assert.are.same({ expected[1], expected[2] }, { verdict.status, verdict.reason }, line)
      local reply = verdict.reply
      assert.are.equal(expected[3], reply ~= cjson.null and reply.code or nil)
      n = n + 1
    end
    assert.are.equal(#input, n)
  end)

  it("gives the fields of a verdict", function()
    local verdict = cjson.decode(cli.run(arguments("user@postfix.example")).out)
    for _, name in ipairs(FIELDS) do
      assert.is_true(verdict[name] ~= nil and verdict[name] ~= cjson.null, name .. " is missing")
    end
    assert.are.same({ "mx.postfix.example", "127.0.2.1", world.port, "user@postfix.example" },
      { verdict.host, verdict.ip, verdict.port, verdict.normalized })
  end)

  for address, code in pairs { ["user@exim.example"] = 0, ["full@exim.example"] = 0, ["nobody@exim.example"] = 1,
      ["grey@exim.example"] = 4 } do
    it("exits with " .. code .. " for " .. address, function()
      assert.are.equal(code, cli.run(arguments(address)).code)
    end)
  end

  it("connects from the address that --source names", function()
    local verdict = cjson.decode(cli.run(arguments("--source", "127.0.66.6", "user@postfix.example")).out)
    assert.are.same({ "unknown", "blocked", "127.0.66.6" }, { verdict.status, verdict.reason, verdict.identity.source })
  end)
end)
