-- SPDX-License-Identifier: MIT
local Loop = require "spec.support.loop"
local core = require "rcpt.core"

describe("rcpt.core", function()
  local loop, engine

  before_each(function()
    loop = Loop.new()
    engine = loop.engine
  end)

  after_each(function() loop:close() end)

  describe("now", function()
    it("never goes back", function()
      local last = core.now()
      for _ = 1, 1000 do
        local now = core.now()
        assert.is_true(now >= last)
        last = now
      end
    end)
  end)

  describe("pid", function()
    it("is this process", function()
      local file = assert(io.open "/proc/self/stat")
      assert.equal(file:read "*n", core.pid())
      file:close()
    end)
  end)

  describe("ip", function()
    for _, case in ipairs {
      { "192.0.2.1", "ipv4", "192.0.2.1" }, { "2001:DB8:0:0::1", "ipv6", "2001:db8::1" },
      { "::ffff:192.0.2.1", "ipv6", "::ffff:192.0.2.1" },
      { "192.0.2.256" }, { "192.0.2" }, { "[::1]" }, { "fe80::1%lo" }, { "" }, { "a.example" },
      { "192.0.2.1\0" }, { "192.0.2.1 " },
    } do
      it(("reads %q"):format(case[1]), function()
        local kind, canonical = core.ip(case[1])
        assert.equal(case[2], kind)
        assert.equal(case[3], canonical)
      end)
    end
  end)

  -- Every function with what it refuses: a raise that names the fault, and nothing left behind.
  describe("an argument that cannot be", function()
    local function raises(what, fn, pattern)
      it("raises: " .. what, function()
        local before = engine:pending()
        local ok, message = pcall(fn)
        assert.is_false(ok)
        assert.truthy(message:find(pattern), message)
        assert.equal(before, engine:pending())
      end)
    end
    local GOOD = { to = { "127.0.0.1" }, helo = "a.example" }
    local function open(extra)
      return function()
        local o = {}
        for k, v in pairs(GOOD) do
          o[k] = v
        end
        for k, v in pairs(extra) do
          o[k] = v
        end
        return engine:open(o)
      end
    end

    raises("ip without text", function() core.ip() end, "string")
    raises("ip of a number", function() core.ip(1) end, "string")
    raises("sleep without a time", function() engine:sleep() end, "number")
    raises("sleep of a text", function() engine:sleep "1" end, "number")
    raises("sleep of NaN", function() engine:sleep(0 / 0) end, "NaN")
    raises("wait of a table", function() engine:wait {} end, "number")
    raises("read without a descriptor", function() engine:read() end, "number")
    raises("read below zero", function() engine:read(-1) end, "descriptor")
    raises("read of a fraction", function() engine:read(0.5) end, "descriptor")
    raises("read of far too much", function() engine:read(2 ^ 40) end, "descriptor")
    raises("open without options", function() engine:open() end, "table")
    raises("open without addresses", open { to = {} }, "at least one")
    raises("open of a name", open { to = { "mx.a.example" } }, "entry 1 is no IP")
    raises("open of an address with a NUL", open { to = { "127.0.0.1\0x" } }, "entry 1 is no IP")
    raises("open of addresses that are no list", open { to = "127.0.0.1" }, "list")
    raises("open on port 0", open { port = 0 }, "'port'")
    raises("open on half a port", open { port = 25.5 }, "'port'")
    raises("open on port 65536", open { port = 65536 }, "'port'")
    raises("open with a helo that is a number", open { helo = 1 }, "'helo'")
    raises("open with an IPv6 source4", open { source4 = "::1" }, "'source4'.*IPv4")
    raises("open with an IPv4 source6", open { source6 = "127.0.0.1" }, "'source6'.*IPv6")
    raises("open with impatience", open { connect = -1 }, "'connect'")
    raises("open with a deadline of NaN", open { deadline = 0 / 0 }, "NaN")
    raises("open with a transcript of text", open { transcript = "yes" }, "'transcript'")
    raises("open with a way of TLS there is not", open { tls = "maybe" }, "'tls'.*maybe")
    raises("open with TLS as a boolean", open { tls = true }, "'tls'")
    raises("open of a name that is a number", open { name = 1 }, "'name'")
    raises("open with a CA file that is a table", open { ca_file = {} }, "'ca_file'")
    raises("open with no patience at all for questions", open { idle = -1 }, "'idle'")
    raises("open through a text", open { proxy = "127.0.0.1" }, "'proxy'.*table")
    raises("open through a proxy without an address", open { proxy = {} }, "'proxy'.*IP")
    raises("open through a proxy by name", open { proxy = { ip = "proxy.example" } }, "'proxy'.*IP")
    raises("open through a proxy with a NUL", open { proxy = { ip = "127.0.0.1\0" } }, "'proxy'.*IP")
    raises("open through port 0", open { proxy = { ip = "127.0.0.1", port = 0 } }, "'port'")
    raises("open through half a port", open { proxy = { ip = "127.0.0.1", port = 1.5 } }, "'port'")
    raises("open through a proxy with a number for a user", open { proxy = { ip = "127.0.0.1", user = 1 } }, "'user'")
    raises("tag of a text", function()
      local job = engine:sleep(60)
      local ok, message = pcall(job.tag, job, "x")
      getmetatable(job).__close(job)
      loop:collect()
      error(ok and "tagged" or message, 0)
    end, "table")
    raises("a method of another class", function()
      engine.step(loop)
    end, "rcpt.engine")
    raises("a job's method of an engine", function()
      local job = engine:sleep(60)
      local ok, message = pcall(job.cancel, engine)
      getmetatable(job).__close(job)
      loop:collect()
      error(ok and "cancelled" or message, 0)
    end, "rcpt.job")
  end)

  describe("a text with a NUL", function()
    for _, field in ipairs { "helo", "sender", "name", "ca_file" } do
      it("is refused for " .. field, function()
        local o = { to = { "127.0.0.1" }, port = 1, helo = "a.example", tls = "may" }
        o[field] = "a\0b"
        local job, _, code = engine:open(o)
        assert.is_nil(job)
        assert.equal("badarg", code)
      end)
    end

    it("is refused for what a proxy is told, and so is a name that is too long", function()
      for _, extra in ipairs { { proxy = { ip = "127.0.0.1", user = "a\0", password = "b" } },
        { name = ("a"):rep(255) } } do
        extra.to, extra.helo = { "127.0.0.1" }, "a.example"
        local job, _, code = engine:open(extra)
        assert.is_nil(job)
        assert.equal("badarg", code)
      end
    end)
  end)

  describe("an address", function()
    it("beyond the eighth is not tried", function()
      local to = {}
      for i = 1, 20 do
        to[i] = "127.0.0.1"
      end
      local session = loop:await(engine:open { to = to, port = 1, helo = "a.example" })
      assert.equal("refused", session:evidence().err)
    end)
  end)

  describe("names", function()
    it("are in every metatable, with __gc and __close", function()
      local session = loop:await(engine:open { to = { "127.0.0.1" }, port = 1, helo = "a.example" })
      for name, object in pairs {
        ["rcpt.engine"] = engine, ["rcpt.job"] = engine:sleep(60), ["rcpt.session"] = session,
        ["rcpt.resolver"] = assert(engine:resolver { servers = "127.0.0.1:1" }),
      } do
        local meta = getmetatable(object)
        assert.equal(name, meta.__name)
        for _, key in ipairs { "__gc", "__close", "__tostring" } do
          assert.is_function(meta[key], name .. " " .. key)
        end
        assert.equal(1, (tostring(object):find(name, 1, true)))
      end
    end)
  end)

  it("survives the most eager collector", function()
    local pause, mul
    if rawget(_G, "jit") then
      pause, mul = collectgarbage("setpause", 1), collectgarbage("setstepmul", 10000)
    else
      collectgarbage("incremental", 1, 10000)
    end
    for i = 1, 200 do
      local job = engine:sleep(0)
      job:tag { i }
      engine:sleep(60)
      local nap = loop:await(job)
      assert.is_true(nap)
      if i % 10 == 0 then                -- a session makes it go all around
        local session = loop:await(engine:open { to = { "127.0.0.1" }, port = 1, helo = "a.example" })
        assert.equal("refused", session:evidence().err)
      end
    end
    if pause then
      collectgarbage("setpause", pause)
      collectgarbage("setstepmul", mul)
    else
      collectgarbage("incremental", 200, 100)
    end
  end)
end)
