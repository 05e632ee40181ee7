--- Probes a second against Postfix's smtp-sink, beside a bare epoll client that speaks the same dialogue.
--   lua5.4 bench/probes.lua [SESSIONS] [CONCURRENCY] [ROUNDS]
-- One process, one thread, every probe a connection of its own: greeting, EHLO, MAIL, RCPT, QUIT. The rounds of
-- floor and rcpt alternate; the figures are medians, the ratios are of the medians.
local support = require "bench.support"
local rcpt = require "rcpt"
local World = require "spec.support.world"
local servers = require "spec.support.servers"

local sessions, concurrency = tonumber(arg[1]) or 20000, tonumber(arg[2]) or 200
local rounds = tonumber(arg[3]) or 3

local floor = support.compile("floor", "-lssl -lcrypto")
local sink = servers.sink {}
local world = World.start { zones = {
  ["sink.example"] = { MX = { { 10, "mx.sink.example" } }, ttl = 3600 },
  ["mx.sink.example"] = { A = { "127.0.0.1" }, ttl = 3600 },
} }

local validator = rcpt.new(world:options {
  port = sink.port, concurrency = concurrency, connections_per_host = concurrency, session_recipients = 1, tls = "off",
})

local function ours()
  local i = 0
  local function addresses()
    i = i + 1
    return i <= sessions and ("user%d@sink.example"):format(i) or nil
  end
  local accepted, wall, cpu = 0, require "rcpt.core".now(), os.clock()
  for verdict in validator:each(addresses) do
    if verdict.status == "deliverable" then accepted = accepted + 1 end
  end
  wall, cpu = require "rcpt.core".now() - wall, os.clock() - cpu
  assert(accepted == sessions, "only " .. accepted .. " of " .. sessions .. " were accepted")
  return sessions / wall, cpu / sessions * 1e6
end

local function bare(how)
  local text = support.output(("%s 127.0.0.1 %d %d %d %s"):format(floor, sink.port, sessions, concurrency, how))
  local rate, cpu = text:match("(%S+) (%S+)")
  return tonumber(rate), tonumber(cpu)
end

local rows = {
  { name = "floor, one command at a time", run = function() return bare("") end },
  { name = "floor, MAIL and RCPT in one write", run = function() return bare("pipelined") end },
  { name = "rcpt, each()", run = ours },
}
for _, row in ipairs(rows) do row.rates, row.cpus = {}, {} end
for _ = 1, rounds do
  for _, row in ipairs(rows) do
    local rate, cpu = row.run()
    table.insert(row.rates, rate)
    table.insert(row.cpus, cpu)
  end
end
world:stop()
sink.stop()

print(("probes: %d sessions, %d at once, median of %d; %s"):format(sessions, concurrency, rounds, support.machine()))
local base = support.median(rows[1].rates)
for _, row in ipairs(rows) do
  local rate, cpu = support.median(row.rates), support.median(row.cpus)
  print(("  %-36s %8.0f a second  %6.1f us of processor each  %.2f of the floor")
    :format(row.name, rate, cpu, rate / base))
end
