--- Addresses a second on kept sessions, in the clear and with TLS, beside a bare client on the same servers.
--   lua5.4 bench/kept.lua [ADDRESSES] [ROUNDS]
-- In the clear: Postfix's smtp-sink. TLS: Exim, a process a connection, so the wall clock there is Exim's; what
-- tells is the processor time. Five connections, fifty recipients on each before the next is opened, for both; in the
-- last two rows one recipient on each, so every address pays for a handshake.
local support = require "bench.support"
local rcpt = require "rcpt"
local core = require "rcpt.core"
local World = require "spec.support.world"
local servers = require "spec.support.servers"

local addresses, rounds = tonumber(arg[1]) or 20000, tonumber(arg[2]) or 3
local AT_ONCE, A_SESSION = 5, 50

local floor = support.compile("floor", "-lssl -lcrypto")
local sink = servers.sink {}
local fakes = World.start { zones = {
  ["sink.example"] = { MX = { { 10, "mx.sink.example" } }, ttl = 3600 },
  ["mx.sink.example"] = { A = { "127.0.0.1" }, ttl = 3600 },
} }
local real = servers.start()

local function ours(options, domain, n)
  local validator = rcpt.new(options)
  local i, accepted, wall, cpu = 0, 0, core.now(), os.clock()
  for verdict in validator:each(function()
    i = i + 1
    return i <= n and ("user%d@%s"):format(i, domain) or nil
  end) do
    if verdict.status == "deliverable" then accepted = accepted + 1 end
  end
  wall, cpu = core.now() - wall, os.clock() - cpu
  validator:close()
  assert(accepted == n, ("only %d of %d were accepted at %s"):format(accepted, n, domain))
  return n / wall, cpu / n * 1e6
end

local function bare(ip, port, n, a_session, how)
  local text = support.output(("%s %s %d %d %d rcpts=%d %s")
    :format(floor, ip, port, n / a_session, AT_ONCE, a_session, how))
  local rate, cpu = text:match("(%S+) (%S+)")
  return rate * a_session, cpu / a_session
end

local function kept(a_session, given)
  given.connections_per_host, given.session_recipients, given.concurrency = AT_ONCE, a_session, 200
  return given
end

local few = math.max(A_SESSION, math.floor(addresses / 10 / A_SESSION) * A_SESSION)
local exim = servers.hosts.eximtls.ip
local clear = fakes:options(kept(A_SESSION, { port = sink.port, tls = "off" }))
local secure = real:options(kept(A_SESSION, { tls = "require", tls_ca_file = real.ca_file }))
local alone = real:options(kept(1, { tls = "require", tls_ca_file = real.ca_file }))
local EXIM = "tls domain=eximtls.example"
local rows = {
  { "floor, kept, in the clear", function() return bare("127.0.0.1", sink.port, addresses, A_SESSION, "") end },
  { "rcpt, kept, in the clear", function() return ours(clear, "sink.example", addresses) end },
  { "floor, kept, TLS (Exim)", function() return bare(exim, real.port, few, A_SESSION, EXIM) end },
  { "rcpt, kept, TLS (Exim)", function() return ours(secure, "eximtls.example", few) end },
  { "floor, a TLS session each", function() return bare(exim, real.port, few / 4, 1, EXIM) end },
  { "rcpt, a TLS session each", function() return ours(alone, "eximtls.example", few / 4) end },
}
for _, row in ipairs(rows) do row.rates, row.cpus = {}, {} end
for _ = 1, rounds do
  for _, row in ipairs(rows) do
    local rate, cpu = row[2]()
    table.insert(row.rates, rate)
    table.insert(row.cpus, cpu)
  end
end
fakes:stop()
sink.stop()
real:stop()

print(("kept sessions: %d addresses (%d with TLS), %d connections, %d recipients a session, median of %d; %s"):format(
  addresses, few, AT_ONCE, A_SESSION, rounds, support.machine()))
local base
for i, row in ipairs(rows) do
  local rate, cpu = support.median(row.rates), support.median(row.cpus)
  if i % 2 == 1 then base = rate end
  print(("  %-28s %8.0f addresses a second  %6.1f us of processor each  %.2f of the floor")
    :format(row[1], rate, cpu, rate / base))
end
