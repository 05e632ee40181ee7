-- doc/sessions.md: each of its examples runs as it stands, in a small world.
local hub = require "rcpt.hub"
local options = require "rcpt.options"
local rcpt = require "rcpt"
local World = require "spec.support.world"
local load = loadstring or load -- luacheck: ignore

local file = assert(io.open("doc/sessions.md"))
local text = file:read("*a")
file:close()

local function blocks()
  local list = {}
  for code in text:gmatch("\n```lua\n(.-)\n```\n") do list[#list + 1] = code end
  return list
end

describe("doc/sessions.md", function()
  local world
  setup(function()
    world = World.start {
      zones = { ["company.example"] = { MX = { { 10, "mx.company.example" } } },
        ["mx.company.example"] = { A = "127.0.7.1" } },
      hosts = { { ip = "127.0.7.1", name = "mx.company.example", tls = true, rcpt = "250 2.1.5 ok" } },
    }
  end)
  teardown(function() world:stop() end)

  -- The module as an example sees it: its questions stay in this world.
  local function small_rcpt()
    local seen = setmetatable({}, { __index = rcpt })
    function seen.new(given)
      local all = world:options(given)
      if not given.helo then all.helo = nil end
      return rcpt.new(all)
    end
    return seen
  end

  -- Run an example; what it printed, a line each, and how many connections it took.
  local function run(code)
    local printed, before = {}, world:connections()
    hub.get().pool = nil
    local chunk = assert(load(code))
    local env = setmetatable({
      require = function(name) return name == "rcpt" and small_rcpt() or require(name) end,
      print = function(...)
        local words = {}
        for i = 1, select("#", ...) do words[i] = tostring((select(i, ...))) end
        printed[#printed + 1] = table.concat(words, " ")
      end,
    }, { __index = _G })
    if setfenv then -- luacheck: ignore 113
      setfenv(chunk, env) -- luacheck: ignore 113
    else
      debug.setupvalue(chunk, 1, env)
    end
    chunk()
    assert.truthy(world:wait(function() return world:open_now() == 0 end))
    return printed, world:connections() - before
  end

  it("has examples", function() assert.equal(5, #blocks()) end)

  it("asks a list on two connections", function()
    local printed, n = run(blocks()[1])
    table.sort(printed)
    assert.same({ "a@company.example deliverable", "b@company.example deliverable", "c@company.example deliverable" },
      printed)
    assert.is_true(n <= 2)
  end)

  it("asks twice on one connection that may linger", function()
    local printed, n = run(blocks()[2])
    assert.same({ "deliverable", "deliverable" }, printed)
    assert.equal(1, n)
  end)

  it("chooses identities by rule and by hook", function()
    run(blocks()[3])
    run(blocks()[4])
  end)

  it("requires TLS", function()
    local printed = run(blocks()[5])
    assert.truthy(printed[1]:find("^TLSv1%.%d false "), printed[1])
  end)

  it("names options that there are, with the defaults they have", function()
    local defaults = {}
    for _, row in ipairs(options.schema) do defaults[row.name] = row.default end
    for _, name in ipairs { "connections_per_host", "session_recipients", "session_refusals", "session_age",
      "session_idle", "linger", "identities", "identity", "proxy", "tls", "tls_ca_file", "vrfy" } do
      assert.truthy(text:find(name, 1, true), name)
    end
    assert.same({ 5, 500, 1000, 200, 20, 300, 10, "may", false, 0 }, { defaults.connections_per_host,
      defaults.connections_per_identity, defaults.connections, defaults.session_recipients, defaults.session_refusals,
      defaults.session_age, defaults.session_idle, defaults.tls, defaults.vrfy, defaults.linger })
  end)
end)
