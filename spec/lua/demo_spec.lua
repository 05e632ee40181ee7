-- `make demo`: what it promises to show is shown, it notices what is wrong, and it cleans up.
-- SPDX-License-Identifier: MIT
-- luacheck: std max+busted
local demo = dofile "examples/demo_world.lua"

-- The build this spec itself runs on, and the Lua.
local BUILD = assert(package.searchpath("rcpt.core", package.cpath)):match "^(.*)/%d%.%d/rcpt/core%.so$"
local LUA = jit and "luajit" or "lua5.4"

-- Run the demo as `make demo` does: what it prints, its exit status, and what it left in a folder
-- for temporary files that it had for itself.
local function run(world)
  local pipe = io.popen(([[
    TMPDIR=$(mktemp -d) && export TMPDIR
    BUILD='%s' %s examples/demo.lua %s 2>&1
    echo "exit $? $(ls "$TMPDIR" | wc -l)"
    rm -rf "$TMPDIR"]]):format(BUILD, LUA, world or ""))
  local text = pipe:read "*a"
  pipe:close()
  local output, status, left = text:match "^(.*)exit (%d+) +(%d+)\n$"
  return output, tonumber(status), tonumber(left)
end

describe("the demo's world", function()
  it("has each status, and the reasons worth knowing", function()
    local found = {}
    for _, row in ipairs(demo.rows) do
      found[row[2]], found[row[3]] = true, true
    end
    for _, name in ipairs { "deliverable", "undeliverable", "risky", "unknown", "mailbox_unknown",
      "domain_not_found", "null_mx", "syntax", "mailbox_full", "timeout", "dns_failure", "blocked",
      "greylisted", "not_asked" } do
      assert.is_true(found[name], name)
    end
  end)

  it("stays on loopback", function()
    for _, host in ipairs(demo.script.hosts) do
      assert.truthy(host.ip:find "^127%.", host.ip)
    end
  end)
end)

describe("the demo", function()
  local output, status, left

  setup(function()
    output, status, left = run()
  end)

  it("finds the right verdict for each address", function()
    assert.equal(0, status, output)
    for _, row in ipairs(demo.rows) do
      local from = output:find("\n" .. row[1], 1, true)
      assert.truthy(from, row[1])
    end
    assert.is_nil(output:find("not right", 1, true))
  end)

  it("asks the second mail host where the first is dead, and shows what was said", function()
    assert.truthy(output:find("10 mx1.second.example", 1, true))
    assert.truthy(output:find("asked%s+mx2%.second%.example %(127%.0%.2%.2"))
    assert.truthy(output:find("C: RCPT TO:<bob@second.example>", 1, true))
    assert.truthy(output:find("S: 250 2.1.5 Recipient ok", 1, true))
  end)

  it("says that it is a small world of its own", function()
    assert.truthy(output:find("small mail world on loopback", 1, true))
    assert.truthy(output:find("Nothing leaves the machine", 1, true))
  end)

  it("asks all at once: it takes the time of the slowest, not of all", function()
    local together, one_by_one = output:match "at once took ([%d.]+) s; one after the other, ([%d.]+) s"
    assert.is_true(tonumber(together) * 2 < tonumber(one_by_one), together)
  end)

  it("sends no mail, and takes leave of each host that asked who it is", function()
    local asked, left_politely, mails = output:match "(%d+) RCPT,\n(%d+) QUIT and (%d+) DATA"
    assert.equal("0", mails)
    assert.is_true(tonumber(left_politely) >= tonumber(asked))
  end)

  it("fits 80 columns, and has no colour where there is no terminal", function()
    local last = output:match "([^\n]*)\n$"
    for line in output:gmatch "([^\n]*)\n" do
      local columns = #line:gsub("[\128-\191]", "")
      assert.is_true(columns <= 80 or line == last, line)
    end
    assert.is_nil(output:find("\27", 1, true))
  end)

  it("ends with the line to type for a real address", function()
    assert.equal("bin/rcpt validate --helo your.host.name --sender you@your.host.name someone@their.domain",
      output:match "([^\n]*)\n$")
  end)

  it("leaves nothing behind", function()
    assert.equal(0, left)
  end)

  it("fails when a verdict is not the one this world is made to give", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write [[
      local demo = dofile "examples/demo_world.lua"
      demo.rows = { { "nobody@company.example", "deliverable", "accepted" } }
      return demo
    ]]
    file:close()
    local text, code = run(path)
    os.remove(path)
    assert.equal(1, code)
    assert.truthy(text:find("not right: this world is made to give deliverable, accepted", 1, true))
  end)
end)
