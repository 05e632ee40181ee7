--- A thousand probes at once against a server that waits one second before each reply.
--   lua5.4 bench/wait.lua [PROBES]
-- Each on a connection of its own (by default five would share the work of one host), beside one probe alone in the
-- same run: the thousand should take about as long, on one thread, under 100 MiB.
local support = require "bench.support"
local rcpt = require "rcpt"
local core = require "rcpt.core"
local World = require "spec.support.world"

local probes = tonumber(arg[1]) or 1000
local world = World.start {
  zones = {
    ["slow.example"] = { MX = { { 10, "mx.slow.example" } } },
    ["mx.slow.example"] = { A = { "127.0.1.1" } },
  },
  hosts = { { ip = "127.0.1.1", name = "mx.slow.example", delay = 1, rcpt = { ["*"] = "250 2.1.5 ok" } } },
}

local function run(n)
  local validator = rcpt.new(world:options {
    concurrency = n, connections_per_host = n, connections_per_identity = n, session_recipients = 1,
  })
  local i, accepted, from, cpu = 0, 0, core.now(), os.clock()
  for verdict in validator:each(function()
    i = i + 1
    return i <= n and ("user%d@slow.example"):format(i) or nil
  end) do
    if verdict.status == "deliverable" then accepted = accepted + 1 end
  end
  local took = core.now() - from
  validator:close()
  assert(accepted == n, "only " .. accepted .. " of " .. n .. " were accepted")
  return took, os.clock() - cpu
end

local one = run(1)
local all, cpu = {}, nil
for round = 1, 3 do all[round], cpu = run(probes) end
local took = support.median(all)
local open = world:max_open()
world:stop()
print(("wait: a server that waits 1 s before each reply; %s"):format(support.machine()))
print(("  one probe alone     %6.2f s"):format(one))
print(("  %4d probes at once %6.2f s, %.2f times one's (median of 3; %d connections open at once; processor %.2f s)")
  :format(probes, took, took / one, open, cpu))
print(("  threads %s, peak memory %.1f MiB"):format(support.peek("/proc/self/status", "Threads:%s*(%d+)"),
  support.peek("/proc/self/status", "VmHWM:%s*(%d+)") / 1024))
