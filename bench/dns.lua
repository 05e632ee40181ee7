--- DNS questions a second through rcpt.core, beside a bare c-ares loop that asks the same server.
--   lua5.4 bench/dns.lua [QUESTIONS] [INFLIGHT] [ROUNDS]
-- Each name is asked for once, so nothing comes from the cache but in the row that says so. The server is a C loop
-- in a process of its own; the rounds alternate, the figures are medians.
local support = require "bench.support"
local core = require "rcpt.core"

local questions, inflight = tonumber(arg[1]) or 50000, tonumber(arg[2]) or 100
local rounds = tonumber(arg[3]) or 3

local program = support.compile("dns", "$(pkg-config --cflags --libs libcares)")
local server = assert(io.popen(program .. " serve", "r"))
local port = assert(server:read("*l"))

local function bare()
  local rate, cpu = support.output(("%s ask %s %d %d"):format(program, port, questions, inflight)):match("(%S+) (%S+)")
  return tonumber(rate), tonumber(cpu)
end

--- Keep `inflight` jobs under way until all names were asked for; answers a second, processor us an answer.
local function drive(engine, resolver, name_of)
  local made, ended = 0, 0
  local from, cpu = core.now(), os.clock()
  local held = {}  -- luacheck: ignore 241 (a job nobody holds is cancelled)
  local function more()
    made = made + 1
    held[assert(resolver:lookup("A", name_of(made), 10))] = true
  end
  for _ = 1, inflight do more() end
  while ended < questions do
    for job, answer in engine:drain() do
      assert(answer and answer.records[1].data == "192.0.2.1")
      held[job] = nil
      ended = ended + 1
      if made < questions then more() end
    end
    if ended < questions then
      engine:wait(1)
      engine:step()
    end
  end
  return questions / (core.now() - from), (os.clock() - cpu) / questions * 1e6
end

local function ours(name_of)
  local engine = assert(core.engine())
  local resolver = assert(engine:resolver { servers = "127.0.0.1:" .. port, inflight = inflight })
  if name_of(1) == name_of(2) then         -- the cached row: asked for once, then known
    local job = resolver:lookup("A", name_of(1), 10)
    while engine:pending() > 0 do
      for _ in engine:drain() do job = nil end
      if job then engine:wait(1) engine:step() end
    end
  end
  local rate, cpu = drive(engine, resolver, name_of)
  local counts = resolver:counts()
  assert(counts.retried == 0, "answers were lost: " .. counts.retried)
  resolver:close()
  engine:close()
  return rate, cpu
end

local rows = {
  { name = "floor, bare c-ares loop", run = bare },
  { name = "rcpt.core, each name new", run = function()
    return ours(function(i) return ("host%d.example.com"):format(i) end)
  end },
  { name = "rcpt.core, cached", run = function() return ours(function() return "host.example.com" end) end },
}
for _, row in ipairs(rows) do row.rates, row.cpus = {}, {} end
for _ = 1, rounds do
  for _, row in ipairs(rows) do
    row.rates[#row.rates + 1], row.cpus[#row.cpus + 1] = row.run()
  end
end
server:close()

print(("DNS: %d questions, %d at once; %s"):format(questions, inflight, support.machine()))
local base = support.median(rows[1].rates)
for _, row in ipairs(rows) do
  local rate = support.median(row.rates)
  print(("  %-26s %9.0f/s  %6.2f us of processor each  %5.2f of the floor"):format(
    row.name, rate, support.median(row.cpus), rate / base))
end
