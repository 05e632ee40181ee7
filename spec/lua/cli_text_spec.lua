--- The small parts of the command line: text, JSON, tables, cards, files of options.
local card = require "rcpt.cli.card"
local cjson = require "cjson"
local cli = require "spec.support.cli"
local color = require "rcpt.cli.color"
local config = require "rcpt.cli.config"
local json = require "rcpt.cli.json"
local options = require "rcpt.cli.options"
local printer = require "rcpt.cli.table"
local text = require "rcpt.cli.text"

local FFFD = "\239\191\189"

-- RFC 3629 4, written anew: the grammar of one character.
local CHARACTERS = {
  "^[%z\1-\127]", "^[\194-\223][\128-\191]", "^\224[\160-\191][\128-\191]", "^[\225-\236][\128-\191][\128-\191]",
  "^\237[\128-\159][\128-\191]", "^[\238-\239][\128-\191][\128-\191]", "^\240[\144-\191][\128-\191][\128-\191]",
  "^[\241-\243][\128-\191][\128-\191][\128-\191]", "^\244[\128-\143][\128-\191][\128-\191]",
}
local function is_valid(s)
  local i = 1
  while i <= #s do
    local to = s:byte(i) == 0 and i or nil
    for _, pattern in ipairs(CHARACTERS) do
      if to then break end
      to = select(2, s:find(pattern, i))
    end
    if not to then return false end
    i = to + 1
  end
  return true
end

local PIECES = {
  "a", "@", "\0", "\r", "\n", "\27", "\127", "\"", "\\", "/", "é", "\228\184\173", "\240\159\152\128", "\226\128\174",
  "\128", "\191", "\192\128", "\193\191", "\194", "\224\128\128", "\224\160", "\237\160\128", "\237\159\191",
  "\240\128\128\128", "\240\159", "\244\144\128\128", "\245", "\255", "\239\191\189",
}
local function some_text(random)
  local out = {}
  for i = 1, random(0, 12) do out[i] = PIECES[random(#PIECES)] end
  return table.concat(out)
end

describe("rcpt.cli.text", function()
  describe("repair", function()
    it("leaves what is valid alone", function()
      for _, s in ipairs { "", "plain", "\0\r\n", "bücher", "\228\184\173", "\240\159\152\128", "\244\143\191\191" } do
        assert.equal(s, text.repair(s))
      end
    end)

    it("puts one U+FFFD for each byte that belongs to no character (RFC 3629 3)", function()
      local rows = {
        ["\255"] = 1, ["a\128b"] = 1, ["\192\128"] = 2, ["\224\128\128"] = 3, ["\237\160\128"] = 3,
        ["\240\128\128\128"] = 4, ["\244\144\128\128"] = 4, ["\226\130"] = 2, ["\195"] = 1,
      }
      for s, n in pairs(rows) do
        local expected = s:gsub("[\128-\255]", FFFD)
        assert.equal(expected, text.repair(s))
        assert.equal(n, select(2, text.repair(s):gsub(FFFD, "")))
      end
    end)

    it("is valid whatever comes, and idempotent", function()
      local seed = os.time()
      math.randomseed(seed)
      for _ = 1, 3000 do
        local s = some_text(math.random)
        local repaired = text.repair(s)
        assert.truthy(is_valid(repaired), ("seed %d: %q"):format(seed, s))
        assert.equal(repaired, text.repair(repaired))
        if is_valid(s) then assert.equal(s, repaired) end
      end
    end)
  end)

  describe("harmless", function()
    it("shows what moves the cursor or cannot be seen as escapes, and broken bytes", function()
      assert.equal("a\\x1b[31mb", text.harmless("a\27[31mb"))
      assert.equal("\\x00\\x0d\\x0a\\x7f", text.harmless("\0\r\n\127"))
      assert.equal("\\x9b1m", text.harmless("\194\1551m"))           -- C1's CSI
      assert.equal("\\u{202e}abc", text.harmless("\226\128\174abc")) -- turns the direction
      assert.equal("a\\u{200b}b", text.harmless("a\226\128\139b"))
      assert.equal("\\xff\\xc0\\x80", text.harmless("\255\192\128"))
      assert.equal("bücher", text.harmless("bücher"))
    end)

    it("holds no control character and no broken byte, whatever comes; and again changes nothing", function()
      math.randomseed(7)
      for _ = 1, 2000 do
        local shown = text.harmless(some_text(math.random))
        assert.falsy(shown:find("%c"))
        assert.truthy(is_valid(shown))
        assert.equal(shown, text.harmless(shown))
      end
    end)
  end)

  describe("width and fit", function()
    it("counts columns: none for what stands on another, two for what is wide", function()
      assert.equal(6, text.width("bücher"))
      assert.equal(1, text.width("e\204\129"))
      assert.equal(4, text.width("\228\184\173\230\150\135"))
      assert.equal(4, text.width("\27"))
    end)

    it("takes the middle out of what is too long", function()
      assert.equal("abcd…wxyz", (text.fit("abcdefghijklmnopqrstuvwxyz", 9)))
      assert.equal("abcdefgh…", (text.fit("abcdefghijklmnopqrstuvwxyz", 9, "end")))
      assert.equal("short", (text.fit("short", 9)))
      assert.equal("abcdefghijkl", (text.fit("abcdefghijkl", nil)))
    end)

    it("never takes more than the room, and says what it takes", function()
      math.randomseed(8)
      for _ = 1, 2000 do
        local s, room = some_text(math.random), math.random(1, 20)
        local shown, used = text.fit(s, room, room % 2 == 0 and "end" or "middle")
        assert.truthy(used <= room)
        assert.equal(text.width(shown), used)
        assert.truthy(is_valid(shown))
      end
    end)
  end)

  describe("wrap", function()
    it("breaks at spaces, and words that are longer than a line", function()
      assert.same({ "one two", "three" }, text.wrap("one two three", 8))
      assert.same({ "abcdefgh", "ij kl" }, text.wrap("abcdefghij kl", 8))
      assert.same({ "one two three" }, text.wrap("one two three"))
      assert.same({ "" }, text.wrap("", 8))
    end)

    it("keeps every line in the room", function()
      math.randomseed(9)
      for _ = 1, 500 do
        local s = some_text(math.random) .. " " .. some_text(math.random)
        for _, line in ipairs(text.wrap(s, 10)) do assert.truthy(text.width(line) <= 10, line) end
      end
    end)
  end)
end)

describe("rcpt.cli.json", function()
  it("writes members in the order of the shape, absent ones as null where it says so, others by name", function()
    assert.equal('{"b":1,"a":true}', json.encode({ a = true, b = 1 }, { "b", "a", "c" }))
    assert.equal('{"b":1,"c":null}', json.encode({ b = 1 }, { "b", "c", whole = true }))
    assert.equal('{"z":0,"a":"x","b":"y"}', json.encode({ b = "y", a = "x", z = 0 }, { "z" }))
  end)

  it("knows an empty list from an empty object by the shape", function()
    local shape = { "list", "map", of = { list = { list = true }, map = { list = false } } }
    assert.equal('{"list":[],"map":{}}', json.encode({ list = {}, map = {} }, shape))
    assert.equal('[1,"a",false]', json.encode { 1, "a", false })
  end)

  it("writes numbers readably: whole ones whole, others to the thousandth, none that JSON has not", function()
    assert.equal("[250,0.123,1.5,-3,0,null,null]", json.encode { 250.0, 0.12345, 1.5, -3, 0.0001, 0 / 0, 1 / 0 })
    assert.equal("9007199254740991", json.encode(9007199254740991))
  end)

  it("writes any string so that it is read back, broken bytes as U+FFFD", function()
    math.randomseed(10)
    for _ = 1, 2000 do
      local s = some_text(math.random)
      local line = json.encode(s)
      assert.falsy(line:find("%c"))
      assert.truthy(is_valid(line))
      assert.equal(text.repair(s), cjson.decode(line))
    end
    assert.equal('"a/b\\\\/"', json.encode("a/b\\/"))
  end)

  it("reads any character by its escape, a lone surrogate as the broken bytes it is", function()
    assert.equal("a\0\r\n\"\\/é😀", json.decode([["a\u0000\r\n\"\\\/\u00e9\ud83d\ude00"]]))
    assert.equal("x\237\160\128y", json.decode([["x\ud800y"]]))
    assert.equal("\237\184\128", json.decode([["\uDE00"]]))
    assert.equal("\237\160\189\240\159\152\128", json.decode([["\ud83d\ud83d\ude00"]]))
    assert.equal("\\ud800\237\160\128", json.decode([["\\ud800\ud800"]]))
  end)

  it("refuses what is not JSON", function()
    for _, line in ipairs { "", "nan", "0x10", "'a'", '"a', '"a" "b"', '"\\u12"', "[1,", '"\\x41"', "Infinity" } do
      local value, message = json.decode(line)
      assert.is_nil(value, line)
      assert.is_string(message)
    end
  end)
end)

describe("rcpt.cli.table", function()
  local columns = {
    { name = "address", weight = 2, cut = "middle" }, { name = "status", width = 6 },
    { name = "seen", weight = 1, cut = "end" },
  }

  it("gives each column its place, and cuts what is too long", function()
    local row = printer.new(columns, 40, color.painter(false))
    assert.equal("address               status  seen", row(printer.head(columns)))
    assert.equal("aaaaaaaaaa…aaaaaaaaa  ok      0123456789", row { ("a"):rep(50), "ok", "0123456789" })
    assert.equal("é                     ok      012345678…", row { "é", "ok", ("0123456789"):rep(2) })
  end)

  it("cuts nothing without a width", function()
    local row = printer.new(columns, nil, color.painter(false))
    local a, b = ("a"):rep(300), ("b"):rep(300)
    assert.equal(a .. "  ok      " .. b, row { a, "ok", b })
  end)

  it("paints the second cell alone, and pads outside of the paint", function()
    local row = printer.new(columns, 40, color.painter(true))
    assert.truthy(row({ "a", "ok", "x" }, "deliverable"):find("\27[32mok\27[0m      x", 1, true))
  end)
end)

describe("rcpt.cli.card", function()
  it("puts a fact on each line, further lines of it below, in the width", function()
    local facts = { { "one", "x" }, { "several", "first\nsecond \27" }, { "long", ("word "):rep(20) } }
    local lines = card.lines("a@b.example", facts, 40, color.painter(false))
    assert.equal("a@b.example", lines[1])
    assert.equal("  one      x", lines[2])
    assert.equal("  several  first", lines[3])
    assert.equal("           second \\x1b", lines[4])
    for _, line in ipairs(lines) do assert.truthy(#line <= 40, line) end
    assert.equal(8, #lines)
  end)
end)

describe("rcpt.cli.config", function()
  after_each(cli.sweep)

  it("reads a table, with nothing in reach", function()
    local path = cli.file [[
      local n = 2
      return { helo = "probe.example", port = 25 * n, seen = print == nil and os == nil }]]
    assert.same({ helo = "probe.example", port = 50, seen = true }, config.read(path))
  end)

  it("says what is wrong with a file", function()
    local rows = {
      { "return {", "unexpected" }, { "return 1", "must return a table" }, { "os.exit(1)", "os" },
      { string.dump(function() return {} end), "precompiled" }, { "", "empty" },
    }
    for _, row in ipairs(rows) do
      local found, message = config.read(cli.file(row[1]))
      assert.is_nil(found)
      assert.truthy(message:find(row[2], 1, true), message)
    end
    local found, message = config.read("/nonexistent/file")
    assert.is_nil(found)
    assert.matches("/nonexistent/file", message, 1, true)
    assert.is_nil((config.read("/")))
  end)
end)

describe("rcpt.cli.options", function()
  it("names in its rows what rcpt knows, and nothing else", function()
    local known = {}
    for _, row in ipairs(require("rcpt.options").schema) do known[row.name] = true end
    for name, group in pairs(options.groups) do
      for _, row in ipairs(group) do
        assert.truthy(row.kept or known[row[2]], ("%s: rcpt knows no option '%s'"):format(name, row[2]))
      end
    end
    for name in ("rate_limit cache single_flight catch_all greylist breaker preflight_gate"):gmatch("%S+") do
      assert.truthy(known[name], name)
    end
  end)

  it("says rcpt's complaints in the words of the command line, or of the file they come from", function()
    local said = "lua/x.lua:3: option 'deadline' must be from 0.01 to 3600 s, not 0"
    local what = "must be from 0.01 to 3600 s, not 0"
    assert.equal("option '--timeout' " .. what, options.reword(said, { deadline = "--timeout" }))
    assert.equal("f.lua: option 'deadline' " .. what, options.reword(said, {}, "f.lua"))
    assert.equal("option '--without': x", options.reword("option 'cache': x", { cache = "--without" }))
  end)
end)
