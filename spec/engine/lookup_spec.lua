-- Lookups through rcpt.core against the scripted name server: io/message, io/dns, engine/answers,
-- engine/flight, engine/lookup and border/l_resolver together.
local core = require "rcpt.core"
local World = require "spec.support.world"

local PATIENT = 10                     -- seconds nothing here comes near

-- Octets of a message, for what no honest server says.
local function u16(n) return string.char(math.floor(n / 256) % 256, n % 256) end
local function u32(n) return u16(math.floor(n / 65536)) .. u16(n % 65536) end
local function wire(name)
  return (name:gsub("[^.]+%.?", function(label)
    label = label:gsub("%.$", "")
    return string.char(#label) .. label
  end)) .. "\0"
end
local TYPE = { A = 1, NS = 2, CNAME = 5, SOA = 6, MX = 15, TXT = 16, AAAA = 28 }
local function rr(owner, kind, rdata, ttl)
  return (owner == "@" and "\192\12" or wire(owner)) .. u16(TYPE[kind]) .. u16(1) .. u32(ttl or 60)
    .. u16(#rdata) .. rdata
end
-- flags 0x8180: an answer, recursion asked for and offered, not authoritative
local function message(name, kind, counts, body, flags)
  return "id" .. u16(flags or 0x8180) .. u16(1) .. u16(counts[1]) .. u16(counts[2] or 0) .. u16(0)
    .. wire(name) .. u16(TYPE[kind]) .. u16(1) .. body
end

describe("resolver", function()
  local engine, world, resolver

  local function start(script, options)
    world = World.start(script)
    options = options or {}
    options.servers = options.servers or table.concat(world.nameservers, ",")
    resolver = assert(engine:resolver(options))
    return resolver
  end

  -- Step until all these jobs were reported; results by job, codes of errors by job.
  local function await(jobs)
    local left, results, codes, belt = 0, {}, {}, core.now() + 30
    for _ in pairs(jobs) do left = left + 1 end
    while left > 0 do
      for job, result, _, code in engine:drain() do
        if result then results[job] = result else codes[job] = code end
        left = left - 1
      end
      if left > 0 then
        assert(core.now() < belt, "a job did not end")
        engine:wait(1)
        assert(engine:step())
      end
    end
    return results, codes
  end

  local function ask(kind, name, seconds)
    local job = assert(resolver:lookup(kind, name, seconds or PATIENT))
    local results, codes = await { job }
    return results[job], codes[job]
  end

  local function nap(seconds)
    await { assert(engine:sleep(seconds)) }
  end

  local function datas(answer)
    local out = {}
    for i, record in ipairs(answer.records) do out[i] = record.data end
    table.sort(out)
    return out
  end

  local function queries(name)
    return world:count("query", name and ("^" .. name:gsub("%p", "%%%0") .. "$") or nil)
  end

  before_each(function() engine = assert(core.engine()) end)

  after_each(function()
    if resolver then resolver:close() end
    engine:close()
    if world then world:stop() end
    resolver, world = nil, nil
  end)

  describe("reads", function()
    it("MX with preferences, names in lower case without the final dot", function()
      start { zones = { ["a.example"] = { MX = { { 10, "Mx1.A.example" }, { 5, "mx2.a.example" } }, ttl = 77 } } }
      local answer = ask("MX", "A.Example.")
      assert.same({
        { data = "mx1.a.example", preference = 10, ttl = 77 },
        { data = "mx2.a.example", preference = 5, ttl = 77 },
      }, answer.records)
      assert.equal("noerror", answer.status)
      assert.equal(77, answer.ttl)
      assert.is_false(answer.cached)
      assert.is_nil(answer.canonical)
    end)

    it("a null MX as '.' (RFC 7505)", function()
      start { zones = { ["no.example"] = { MX = { { 0, "." } } } } }
      assert.same({ "." }, datas(ask("MX", "no.example")))
    end)

    it("addresses of both families as text", function()
      start { zones = { ["h.example"] = { A = { "192.0.2.1", "192.0.2.200" }, AAAA = "2001:db8::1:0" } } }
      assert.same({ "192.0.2.1", "192.0.2.200" }, datas(ask("A", "h.example")))
      assert.same({ "2001:db8::1:0" }, datas(ask("AAAA", "h.example")))
    end)

    it("TXT with its strings joined, any byte in them", function()
      start { zones = { ["t.example"] = { TXT = { { "v=spf1 ", "-all" }, "nul\0, \255" } } } }
      assert.same({ "nul\0, \255", "v=spf1 -all" }, datas(ask("TXT", "t.example")))
    end)

    it("PTR, and CNAME when that is the question", function()
      start { zones = {
        ["1.2.0.192.in-addr.arpa"] = { PTR = "Host.Example" },
        ["alias.example"] = { CNAME = "real.example" },
      } }
      assert.same({ "host.example" }, datas(ask("PTR", "1.2.0.192.in-addr.arpa")))
      local answer = ask("CNAME", "alias.example")
      assert.same({ "real.example" }, datas(answer))
      assert.is_nil(answer.canonical)
    end)

    it("odd octets of a name escaped as RFC 1035 5.1 has it, never raw", function()
      start { zones = { ["odd.example"] = { MX = { { 10, "x\r\ny.example" } } } } }
      assert.same({ "x\\013\\010y.example" }, datas(ask("MX", "odd.example")))
    end)

    it("the best 64 of 100 MX", function()
      local mx = {}
      for i = 1, 100 do mx[i] = { 101 - i, ("m%d.many.example"):format(101 - i) } end
      start { zones = { ["many.example"] = { MX = mx } } }
      local answer = ask("MX", "many.example")
      assert.equal(64, #answer.records)
      for _, record in ipairs(answer.records) do assert.is_true(record.preference <= 64) end
    end)
  end)

  describe("asks", function()
    it("for a name with escapes the octets it stands for", function()
      start { zones = { ["a@b.example"] = { A = "192.0.2.9" }, ["a b.example"] = { A = "192.0.2.8" } } }
      assert.same({ "192.0.2.9" }, datas(ask("A", "a\\064b.example")))
      assert.same({ "192.0.2.8" }, datas(ask("A", "a\\032b.example")))
      assert.equal(1, queries "a@b.example")
      assert.equal(1, queries "a b.example")
    end)

    it("over TCP when the answer is truncated: 60 records", function()
      local ips = {}
      for i = 1, 60 do ips[i] = "192.0.2." .. i end
      start { zones = { ["big.example"] = { A = ips, truncate = true } } }
      assert.equal(60, #ask("A", "big.example").records)
      assert.equal("udp", world:journal()[1].transport)
      assert.equal("tcp", world:journal()[2].transport)
    end)

    it("over TCP for what does not fit into 1232 octets by itself", function()
      local texts = {}
      for i = 1, 20 do texts[i] = ("%03d"):format(i) .. ("x"):rep(100) end
      start { zones = { ["big.example"] = { TXT = texts } } }
      assert.equal(20, #ask("TXT", "big.example").records)
      assert.equal(2, queries "big.example")
    end)

    it("in vain where a truncated answer has no TCP behind it, and says so soon", function()
      start { zones = { ["big.example"] = { A = "192.0.2.1", truncate = true } }, nameservers = { { no_tcp = true } } }
      assert.equal("unreachable", ask("A", "big.example").status)
    end)

    it("over UDP alone for what fits into 1232 octets", function()
      local texts = {}
      for i = 1, 9 do texts[i] = ("%03d"):format(i) .. ("x"):rep(100) end
      start { zones = { ["mid.example"] = { TXT = texts } } }
      assert.equal(9, #ask("TXT", "mid.example").records)
      assert.equal(1, queries "mid.example")
    end)

    it("once for identical questions under way, whatever their case", function()
      start { zones = { ["once.example"] = { A = "192.0.2.1", delay = 0.1 } } }
      local jobs = {}
      for i, name in ipairs { "once.example", "ONCE.example", "once.Example.", "once.example" } do
        jobs[i] = assert(resolver:lookup("A", name, PATIENT))
      end
      local results = await(jobs)
      for _, job in ipairs(jobs) do assert.equal("192.0.2.1", results[job].records[1].data) end
      assert.equal(1, queries "once.example")
      assert.equal(3, resolver:counts().joined)
    end)

    it("another type of the same name separately", function()
      start { zones = { ["two.example"] = { A = "192.0.2.1", AAAA = "::2", delay = 0.05 } } }
      local a, b = resolver:lookup("A", "two.example", PATIENT), resolver:lookup("AAAA", "two.example", PATIENT)
      local results = await { a, b }
      assert.equal("192.0.2.1", results[a].records[1].data)
      assert.equal("::2", results[b].records[1].data)
      assert.equal(2, queries "two.example")
    end)

    it("no more than its cap at once: 1,000 questions are all answered", function()
      start({ zones = { ["*.many.example"] = { A = "192.0.2.1", delay = 0.01 } } }, { inflight = 50 })
      local jobs = {}
      for i = 1, 1000 do jobs[i] = assert(resolver:lookup("A", ("n%d.many.example"):format(i), 20)) end
      local results = await(jobs)
      for _, job in ipairs(jobs) do assert.equal("noerror", results[job].status) end
      local counts = resolver:counts()
      assert.equal(50, counts.most)
      assert.equal(950, counts.queued)
      assert.equal(0, counts.underway)
      assert.equal(1000, queries())
    end)
  end)

  describe("follows CNAMEs", function()
    it("within the answer; the least TTL on the way counts", function()
      start { zones = {
        ["one.example"] = { CNAME = "two.example", ttl = 50 },
        ["two.example"] = { CNAME = "three.example", ttl = 40 },
        ["three.example"] = { A = "192.0.2.3", ttl = 300 },
      } }
      local answer = ask("A", "one.example")
      assert.same({ "192.0.2.3" }, datas(answer))
      assert.equal("three.example", answer.canonical)
      assert.equal(40, answer.ttl)
      assert.equal(300, answer.records[1].ttl)
      assert.equal(1, queries())
    end)

    it("out of the answer, by asking again", function()
      start { zones = {
        ["far.example"] = { raw = message("far.example", "A", { 1 }, rr("@", "CNAME", wire "Near.example", 30)) },
        ["near.example"] = { A = "192.0.2.4", ttl = 300 },
      } }
      local answer = ask("A", "far.example")
      assert.same({ "192.0.2.4" }, datas(answer))
      assert.equal("near.example", answer.canonical)
      assert.equal(30, answer.ttl)
      assert.equal(1, queries "near.example")
      assert.is_true(ask("A", "far.example").cached)
    end)

    it("to a denial, which is the name's they led to", function()
      start { zones = { ["dangling.example"] = { CNAME = "gone.other.example" }, ["other.example"] = {} } }
      local answer = ask("A", "dangling.example")
      assert.equal("nxdomain", answer.status)
      assert.equal("gone.other.example", answer.canonical)
    end)

    it("not round a loop within the answer", function()
      start { zones = {
        ["x.example"] = { CNAME = "y.example" }, ["y.example"] = { CNAME = "x.example" },
      } }
      assert.equal("malformed", ask("A", "x.example").status)
    end)

    it("not round a loop across answers", function()
      start { zones = {
        ["p.example"] = { raw = message("p.example", "A", { 1 }, rr("@", "CNAME", wire "q.example")) },
        ["q.example"] = { raw = message("q.example", "A", { 1 }, rr("@", "CNAME", wire "p.example")) },
      } }
      assert.equal("malformed", ask("A", "p.example").status)
      assert.equal(9, queries())       -- the question and eight that were led to
    end)

    it("eight at most", function()
      local zones = { ["c9.example"] = { A = "192.0.2.1" } }
      for i = 0, 8 do zones[("c%d.example"):format(i)] = { CNAME = ("c%d.example"):format(i + 1) } end
      start { zones = zones }
      assert.equal("noerror", ask("A", "c1.example").status)
      assert.equal("malformed", ask("A", "c0.example").status)
    end)
  end)

  describe("keeps apart", function()
    it("a name that does not exist, and a type it does not have", function()
      start { zones = { ["here.example"] = { A = "192.0.2.1" } } }
      assert.equal("nxdomain", ask("MX", "gone.here.example").status)
      assert.equal("nodata", ask("MX", "here.example").status)
    end)

    for rcode, status in pairs { SERVFAIL = "servfail", REFUSED = "refused", NOTIMP = "notimp", FORMERR = "notimp",
                                 ["9"] = "refused", ["6"] = "servfail" } do
      it("rcode " .. rcode, function()
        start { zones = { ["bad.example"] = { rcode = rcode } } }
        local answer = ask("A", "bad.example")
        assert.equal(status, answer.status)
        assert.same({}, answer.records)
        assert.equal(0, answer.ttl)
      end)
    end

    it("silence, which ends at the deadline", function()
      start({ zones = { ["mute.example"] = { silent = true } } }, { patience = 0.05 })
      local from = core.now()
      assert.equal("timeout", ask("A", "mute.example", 0.2).status)
      local took = core.now() - from
      assert.is_true(took >= 0.199 and took < 2, took)
    end)

    it("a deadline before c-ares' own patience", function()
      start({ zones = { ["mute.example"] = { silent = true } } }, { patience = 5 })
      local from = core.now()
      assert.equal("timeout", ask("A", "mute.example", 0.1).status)
      assert.is_true(core.now() - from < 2)
    end)

    it("a closed port, without burning the processor", function()
      start { nameservers = { { refuse = true } } }
      local from, cpu = core.now(), os.clock()
      assert.equal("unreachable", ask("A", "any.example").status)
      local took = core.now() - from
      assert.is_true(took >= 0.29 and took < 3, took)         -- two pauses: 100 and 200 ms
      assert.is_true(os.clock() - cpu < 0.1)
      assert.equal(3, resolver:counts().queries)
    end)

    it("an answer to another question (wrong ID), which is none", function()
      start({ zones = { ["id.example"] = { A = "192.0.2.1", wrong_id = true } } }, { patience = 0.05 })
      assert.equal("timeout", ask("A", "id.example", 0.15).status)
    end)

    it("a referral from a denial: it is no answer (RFC 2308 2.2)", function()
      start { zones = { ["lame.example"] = {
        raw = message("lame.example", "A", { 0, 1 }, rr("@", "NS", wire "ns.elsewhere.example")),
      } } }
      assert.equal("servfail", ask("A", "lame.example").status)
    end)
  end)

  describe("calls malformed", function()
    local address = "\192\0\2\1"
    local bad = {
      ["a count that promises more records than there are"] = message("bad.example", "A", { 2 }, rr("@", "A", address)),
      ["octets after the end"] = message("bad.example", "A", { 1 }, rr("@", "A", address) .. "xyz"),
      ["an address of three octets"] = message("bad.example", "A", { 1 }, rr("@", "A", "\1\2\3")),
      ["a record cut short"] = message("bad.example", "A", { 1 }, rr("@", "A", address):sub(1, -3)),
      ["a CNAME that points to itself by compression"] =
        message("bad.example", "A", { 1 }, rr("@", "CNAME", "\192" .. string.char(12 + 17 + 12))),
      ["a CNAME whose pointers chase each other"] =
        message("bad.example", "A", { 1 }, rr("@", "CNAME", "\192\43\192\41")),
      ["a CNAME with octets behind its name"] =
        message("bad.example", "A", { 1 }, rr("@", "CNAME", wire "a.example" .. "zz")),
      ["a pointer behind the end"] = message("bad.example", "A", { 1 }, rr("@", "CNAME", "\255\255")),
      ["a label type that does not exist"] = message("bad.example", "A", { 1 }, rr("@", "CNAME", "\128abc\0")),
    }
    for what, octets in pairs(bad) do
      it(what, function()
        start { zones = { ["bad.example"] = { raw = octets } } }
        assert.equal("malformed", ask("A", "bad.example").status)
        assert.equal(0, resolver:counts().held)
      end)
    end

    it("an MX without a name, a TXT whose string overruns", function()
      start { zones = { ["bad.example"] = {
        on = {
          MX = { raw = message("bad.example", "MX", { 1 }, rr("@", "MX", "\0\10")) },
          TXT = { raw = message("bad.example", "TXT", { 1 }, rr("@", "TXT", "\5four")) },
        },
      } } }
      assert.equal("malformed", ask("MX", "bad.example").status)
      assert.equal("malformed", ask("TXT", "bad.example").status)
    end)

    it("nothing random: it ends as something, whatever the octets", function()
      local seed = os.time()
      math.randomseed(seed)
      local whole = message("fuzz.example", "MX", { 2, 1 }, rr("@", "MX", "\0\10" .. wire "a.fuzz.example")
        .. rr("@", "MX", "\0\20\1b\192\12") .. rr("example", "SOA", wire "a" .. wire "b" .. ("\0\0\0\1"):rep(5)))
      local zones, jobs = {}, {}
      for i = 1, 300 do
        local name = ("fuzz%03d.example"):format(i)
        local octets = whole:gsub("fuzz", ("fuzz%03d"):format(i), 1):gsub("\4fuzz", "\7fuzz")
        local head = 12 + #wire(name) + 4          -- the question stays, or c-ares drops it
        local tail = octets:sub(head + 1)
        for _ = 1, math.random(4) do
          local at = math.random(#tail)
          tail = tail:sub(1, at - 1) .. string.char(math.random(0, 255)) .. tail:sub(at + 1)
        end
        if i % 3 == 0 then tail = tail:sub(1, math.random(0, #tail)) end
        zones[name] = { raw = octets:sub(1, head) .. tail }
      end
      start({ zones = zones }, { patience = 0.3 })
      for i = 1, 300 do jobs[i] = assert(resolver:lookup("MX", ("fuzz%03d.example"):format(i), 2)) end
      local results = await(jobs)
      for i, job in ipairs(jobs) do
        assert.is_table(results[job], "seed " .. seed .. ", message " .. i)
        assert.is_true(#results[job].records <= 2)
      end
    end)
  end)

  describe("with two servers", function()
    for _, rcode in ipairs { "SERVFAIL", "REFUSED", "NOTIMP" } do
      it("asks the second when the first says " .. rcode, function()
        start { zones = { ["a.example"] = { A = "192.0.2.1" } }, nameservers = { { rcode = rcode }, {} } }
        assert.same({ "192.0.2.1" }, datas(ask("A", "a.example")))
      end)
    end

    it("asks the second when the first is silent, and begins with it from then on", function()
      start({ zones = { ["*.example"] = { A = "192.0.2.1" } }, nameservers = { { silent = true }, {} } },
        { patience = 0.1 })
      assert.same({ "192.0.2.1" }, datas(ask("A", "one.example")))
      assert.same({ "192.0.2.1" }, datas(ask("A", "two.example")))
      local servers = {}
      for _, event in ipairs(world:journal()) do servers[#servers + 1] = event.name .. " " .. event.server end
      assert.same({ "one.example 1", "one.example 2", "two.example 2" }, servers)
    end)

    it("asks the second when the first's port is closed", function()
      start { zones = { ["a.example"] = { A = "192.0.2.1" } }, nameservers = { { refuse = true }, {} } }
      assert.same({ "192.0.2.1" }, datas(ask("A", "a.example")))
    end)

    it("tells the more telling of two refusals, each having been asked", function()
      start { nameservers = { { rcode = "REFUSED" }, { rcode = "SERVFAIL" } } }
      assert.equal("servfail", ask("A", "a.example").status)
      assert.equal(3, queries())       -- REFUSED is final, SERVFAIL is asked twice
    end)

    it("believes a denial at once", function()
      start { zones = { ["example"] = {} }, nameservers = 2 }
      assert.equal("nxdomain", ask("A", "gone.example").status)
      assert.equal(1, queries())
    end)

    it("takes a second round for a passing SERVFAIL", function()
      start { zones = { ["a.example"] = { A = "192.0.2.1", rcode = "SERVFAIL", times = 2 } }, nameservers = 2 }
      assert.same({ "192.0.2.1" }, datas(ask("A", "a.example")))
    end)
  end)

  describe("caches", function()
    it("an answer for its TTL and no longer: 2 s", function()
      start { zones = { ["short.example"] = { A = "192.0.2.1", ttl = 2 } } }
      assert.equal(2, ask("A", "short.example").ttl)
      local again = ask("A", "SHORT.example")
      assert.is_true(again.cached)
      assert.is_true(again.ttl <= 2)
      nap(1.2)
      again = ask("A", "short.example")
      assert.is_true(again.cached)
      assert.equal(0, again.ttl)
      assert.equal(1, again.records[1].ttl)
      assert.equal(1, queries())
      nap(1)
      assert.is_false(ask("A", "short.example").cached)
      assert.equal(2, queries())
    end)

    it("a denial for the lesser of the SOA's TTL and its minimum: 2 s", function()
      start { zones = { ["example"] = { negative_ttl = 300, soa_ttl = 2 } } }
      assert.equal(2, ask("A", "gone.example").ttl)
      assert.is_true(ask("A", "gone.example").cached)
      assert.equal("nxdomain", ask("A", "gone.example").status)
      nap(2.1)
      assert.is_false(ask("A", "gone.example").cached)
      assert.equal(2, queries())
    end)

    it("no denial without a SOA, no TTL of 0, no failure", function()
      start { zones = {
        ["bare.example"] = { without_soa = true },
        ["zero.example"] = { A = "192.0.2.1", ttl = 0 },
        ["fail.example"] = { rcode = "SERVFAIL" },
      } }
      for _, name in ipairs { "bare.example", "zero.example", "fail.example" } do
        ask("A", name)
        assert.is_false(ask("A", name).cached, name)
      end
      assert.equal(0, resolver:counts().held)
    end)

    it("a TTL with its highest bit set as none (RFC 2181 8), a long one for a day", function()
      start { zones = {
        ["high.example"] = { A = "192.0.2.1", ttl = 2147483648 },
        ["long.example"] = { A = "192.0.2.1", ttl = 2147483647 },
        ["deny.example"] = { negative_ttl = 2000000000 },
      } }
      assert.equal(0, ask("A", "high.example").ttl)
      assert.equal(86400, ask("A", "long.example").ttl)
      assert.equal(10800, ask("A", "deny.example").ttl)
    end)

    it("a denial for a SOA of the root", function()
      local soa = rr("", "SOA", wire "a.root" .. wire "b.root" .. ("\0\0\0\1"):rep(4) .. u32(86400), 120)
      start { zones = { ["nowhere"] = { raw = message("nowhere", "A", { 0, 1 }, soa, 0x8183) } } }
      assert.equal(120, ask("A", "nowhere").ttl)
      assert.is_true(ask("A", "nowhere").cached)
    end)

    it("not by another zone's SOA", function()
      local soa = rr("other", "SOA", wire "a" .. wire "b" .. ("\0\0\0\1"):rep(4) .. u32(86400), 120)
      start { zones = { ["x.example"] = { raw = message("x.example", "A", { 0, 1 }, soa, 0x8183) } } }
      local answer = ask("A", "x.example")
      assert.equal("nxdomain", answer.status)
      assert.equal(0, answer.ttl)
    end)

    it("the answers used last, as many as it may", function()
      start({ zones = { ["*.example"] = { A = "192.0.2.1" } } }, { answers = 3 })
      for _, name in ipairs { "a", "b", "c", "a", "d" } do ask("A", name .. ".example") end
      assert.equal(3, resolver:counts().held)
      assert.is_true(ask("A", "a.example").cached)
      assert.is_true(ask("A", "c.example").cached)
      assert.is_false(ask("A", "b.example").cached)
    end)

    it("no more octets than 1 KiB an answer it may keep", function()
      local big = {}
      for i = 1, 10 do big[i] = ("x"):rep(250) .. i end
      start({ zones = { ["*.example"] = { TXT = big } } }, { answers = 10 })
      for i = 1, 10 do ask("TXT", "n" .. i .. ".example") end
      local held = resolver:counts().held
      assert.is_true(held >= 2 and held <= 4, held)
      assert.is_true(ask("TXT", "n10.example").cached)
    end)
  end)

  describe("jobs", function()
    it("may end within the call that makes them, and are reported all the same", function()
      start {}
      local long = ("x"):rep(64) .. ".example"
      local names = { "", "two..dots", ".first", long, ("abcdefgh."):rep(32), "nul\0.example", "\\000.example" }
      for _, name in ipairs(names) do
        local job = assert(resolver:lookup("A", name, PATIENT))
        assert.is_true(engine:wait(5), name)
        local results = await { job }
        assert.equal("nxdomain", results[job].status, name)
      end
      assert.equal(0, queries())
      assert.equal(0, engine:pending())
    end)

    it("cancelled by fifties are reported once; then there is silence", function()
      start { zones = { ["*.late.example"] = { A = "192.0.2.1", delay = 0.1 } } }
      local jobs = {}
      for i = 1, 50 do jobs[i] = assert(resolver:lookup("A", ("n%d.late.example"):format(i), PATIENT)) end
      for _, job in ipairs(jobs) do job:cancel() end
      local _, codes = await(jobs)
      for _, job in ipairs(jobs) do assert.equal("cancelled", codes[job]) end
      assert.equal(0, engine:pending())
      nap(0.3)                         -- all late answers come in meanwhile
      assert.equal(0, resolver:counts().underway)
      assert.equal(50, resolver:counts().held)
      assert.is_false(engine:wait(0.05))
    end)

    it("cancelled while they wait for the cap are never asked", function()
      start({ zones = { ["*.slow.example"] = { A = "192.0.2.1", delay = 0.1 } } }, { inflight = 1 })
      local first = assert(resolver:lookup("A", "first.slow.example", PATIENT))
      local second = assert(resolver:lookup("A", "second.slow.example", PATIENT))
      second:cancel()
      local results, codes = await { first, second }
      assert.equal("noerror", results[first].status)
      assert.equal("cancelled", codes[second])
      assert.equal(0, queries "second.slow.example")
    end)

    it("that share a flight leave it alone", function()
      start { zones = { ["shared.example"] = { A = "192.0.2.1", delay = 0.1 } } }
      local jobs = {}
      for i = 1, 3 do jobs[i] = assert(resolver:lookup("A", "shared.example", PATIENT)) end
      local hasty = assert(resolver:lookup("A", "shared.example", 0.02))
      jobs[2]:cancel()
      jobs[4] = hasty
      local results, codes = await(jobs)
      assert.equal("noerror", results[jobs[1]].status)
      assert.equal("cancelled", codes[jobs[2]])
      assert.equal("noerror", results[jobs[3]].status)
      assert.equal("timeout", results[hasty].status)
    end)

    it("collected while running take nothing with them", function()
      start { zones = { ["gone.example"] = { A = "192.0.2.1", delay = 0.05 } } }
      for _ = 1, 20 do assert(resolver:lookup("A", "gone.example", PATIENT)) end
      collectgarbage() collectgarbage()
      assert.equal("noerror", ask("A", "gone.example").status)
      assert.equal(0, engine:pending())
    end)

    it("end as closed with their resolver, in every state", function()
      start({ zones = { ["*.mute.example"] = { silent = true }, ["fail.example"] = { rcode = "SERVFAIL" } } },
        { inflight = 2 })
      local jobs = { assert(resolver:lookup("A", "fail.example", PATIENT)) }
      assert(engine:wait(5)) assert(engine:step())           -- SERVFAIL came: that flight sleeps
      for i = 1, 5 do jobs[#jobs + 1] = assert(resolver:lookup("A", i .. ".mute.example", PATIENT)) end
      resolver:close()
      local _, codes = await(jobs)
      for _, job in ipairs(jobs) do assert.equal("closed", codes[job]) end
    end)

    it("cannot be made once it is closed", function()
      start {}
      resolver:close()
      resolver:close()
      local job, text, code = resolver:lookup("A", "a.example", 1)
      assert.is_nil(job)
      assert.is_string(text)
      assert.equal("closed", code)
      assert.equal("closed", select(3, resolver:counts()))
    end)

    it("cannot be made once the engine is closed", function()
      start { zones = { ["mute.example"] = { silent = true } } }
      assert(resolver:lookup("A", "mute.example", PATIENT))
      engine:close()
      assert.equal("closed", select(3, resolver:lookup("A", "a.example", 1)))
      assert.equal("closed", select(3, engine:resolver { servers = "127.0.0.1" }))
    end)
  end)

  describe("servers", function()
    it("are addresses with or without a port, apart by commas", function()
      local lists = { "127.0.0.1", "127.0.0.1:5300", "::1", "[::1]", "[::1]:53", "127.0.0.1:1 , ::1,[::1]:65535" }
      for _, list in ipairs(lists) do
        local r, text = engine:resolver { servers = list }
        assert.is_truthy(r, list .. ": " .. tostring(text))
        r:close()
      end
    end)

    it("are nothing else", function()
      for _, list in ipairs {
        "", " ", ",", "127.0.0.1,", "localhost", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:5x",
        "127.0.0.1:000053", "127.1", "[127.0.0.1]", "[::1", "::1]", "[::1]53", "[::1]:", "fe80::1%lo",
        "127.0.0.1 127.0.0.2", "127.0.0.1\0", ("127.0.0.1,"):rep(8) .. "127.0.0.1", ("1"):rep(300),
      } do
        local r, _, code = engine:resolver { servers = list }
        assert.is_nil(r, list)
        assert.equal("badarg", code, list)
      end
    end)

    it("are the system's by default", function()
      local r = assert(engine:resolver())
      assert.equal(0, r:counts().asked)
      r:close()
    end)
  end)

  it("raises for what is the caller's mistake", function()
    start {}
    assert.has_error(function() resolver:lookup("NAPTR", "a.example", 1) end)
    assert.has_error(function() resolver:lookup("A", {}, 1) end)
    assert.has_error(function() resolver:lookup("A", "a.example", "soon") end)
    assert.has_error(function() engine:resolver { servers = 7 } end)
    assert.has_error(function() engine:resolver { inflight = -1 } end)
    assert.has_error(function() engine:resolver "127.0.0.1" end)
  end)
end)
