-- src/wire/address, literal, unicode, octet, diagnosis, by way of core.parse; the domain's own rules
-- are in domain_spec.lua, most expectations in spec/vectors/address.tsv.
local core = require "rcpt.core"

local function expand(text)
  text = text:gsub("{(%d+):([^}]*)}", function(n, what) return what:rep(tonumber(n)) end)
  return (text:gsub("\\x(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function vectors(path)
  local rows, number = {}, 0
  for line in io.lines(path) do
    number = number + 1
    if not line:find("^#") then
      local f = {}
      for field in (line .. "\t"):gmatch("([^\t]*)\t") do f[#f + 1] = field end
      assert(#f == 7, path .. ":" .. number .. ": seven columns wanted")
      local options = f[1] ~= "-" and {} or nil
      for sign, name in f[1]:gmatch("([+-])([%w_]+)") do options[name] = sign == "+" end
      local input = expand(f[2])
      local normalized = f[5] == "=" and input or expand(f[5])
      rows[#rows + 1] = {
        number = number, options = options, input = input, typed = f[2], result = f[3], position = tonumber(f[4]),
        normalized = normalized, ascii = f[6] == "=" and normalized or f[6] ~= "-" and expand(f[6]) or nil, why = f[7],
      }
    end
  end
  return rows
end

-- A generator of ours: the same numbers on every Lua.
local function generator(seed)
  local state = seed
  return function(n)
    state = (state * 16807) % 2147483647
    return state % n + 1
  end
end

local liberal = { display_name = true, single_label = true, special_use = true }

-- What holds of every answer, whatever the input.
local function check_answer(input, options, note)
  local a = core.parse(input, options)
  assert.equal(input, a.address, note)
  if not a.valid then
    assert.is_string(a.reason, note)
    assert.is_true(a.position >= 1 and a.position <= #input + 1 and a.position % 1 == 0, note)
    assert.is_nil(a.normalized, note)
    return a
  end
  assert.is_nil(a.reason, note)
  assert.is_nil(a.normalized:find("[%z\1-\31\127]"), note)
  assert.is_nil(a.domain:find("[\128-\255%c ]"), note)
  assert.is_true(#a["local"] <= 64 and #a.domain <= 253 and #a.normalized <= 254, note)
  assert.equal(a["local"] .. "@" .. a.unicode_domain, a.normalized, note)
  assert.equal(a.smtputf8, a["local"]:find("[\128-\255]") ~= nil, note)
  assert.equal(not a.smtputf8 and a["local"] .. "@" .. a.domain or nil, a.ascii, note)
  for _, form in ipairs { a.normalized, a["local"] .. "@" .. a.domain } do
    local again = core.parse(form, options)
    again.address = a.address
    assert.same(a, again, note)
  end
  return a
end

describe("core.parse", function()
  describe("answers the vectors:", function()
    local count = 0
    for _, row in ipairs(vectors("spec/vectors/address.tsv")) do
      count = count + 1
      it(("%d: %s (%s)"):format(row.number, row.typed, row.why), function()
        local a = check_answer(row.input, row.options)
        assert.same({ row.result, row.position, row.normalized ~= "-" and row.normalized or nil, row.ascii },
          { a.valid and "valid" or a.reason, a.position, a.normalized, a.ascii })
      end)
    end
    it("of which there are hundreds", function() assert.is_true(count > 400) end)
  end)

  describe("knows the grammar's characters:", function()
    -- RFC 5322 3.2.3, spelt out here a second time on purpose.
    local atext = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~"
    local ldh = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
    local function has(set, char) return set:find(char, 1, true) ~= nil end
    local function blame(byte, otherwise)
      local char = string.char(byte)
      if char == " " or char == "\t" then return "white_space" end
      if byte < 32 or byte == 127 then return "control_character" end
      if char == "(" or char == ")" then return "comment" end
      return otherwise
    end

    it("each of ASCII inside a local part", function()
      for byte = 0, 127 do
        local char = string.char(byte)
        local a = check_answer("a" .. char .. "b@example.com")
        if has(atext, char) or char == "." then
          assert.is_true(a.valid, byte)
        elseif char == "@" then
          assert.same({ "at_twice", 4 }, { a.reason, a.position })
        else
          assert.same({ blame(byte, char == '"' and "quote_inside" or "local_character"), 2 },
            { a.reason, a.position }, byte)
        end
      end
    end)

    it("each of ASCII inside quotes (qtextSMTP = %d32-33 / %d35-91 / %d93-126)", function()
      for byte = 0, 127 do
        local char = string.char(byte)
        local a = check_answer('"a' .. char .. 'b"@example.com')
        if byte < 32 or byte == 127 then
          assert.same({ "control_character", 3 }, { a.reason, a.position }, byte)
        elseif char == '"' then
          assert.same({ "quote_after", 4 }, { a.reason, a.position })
        elseif char == "\\" then
          assert.equal("ab", a["local"])
        else
          local bare = has(atext, char) or char == "."
          assert.equal(bare and "a" .. char .. "b" or '"a' .. char .. 'b"', a["local"], byte)
          assert.equal(not bare, a.quoted, byte)
        end
      end
    end)

    it("each of ASCII behind a backslash (quoted-pairSMTP = %d92 %d32-126)", function()
      for byte = 0, 127 do
        local char = string.char(byte)
        local a = check_answer('"\\' .. char .. '"@example.com')
        if byte < 32 or byte == 127 then
          assert.same({ "control_character", 3 }, { a.reason, a.position }, byte)
        elseif char == '"' or char == "\\" then
          assert.equal('"\\' .. char .. '"', a["local"])
        else
          assert.equal(has(atext, char) and char or '"' .. char .. '"', a["local"], byte)
        end
      end
    end)

    it("each of ASCII inside a domain", function()
      for byte = 0, 127 do
        local char = string.char(byte)
        local a = check_answer("a@b" .. char .. "d.example")
        if has(ldh, char) or char == "." then
          assert.equal("b" .. char:lower() .. "d.example", a.domain)
        else
          assert.same({ blame(byte, char == "@" and "at_twice" or "domain_character"), 4 },
            { a.reason, a.position }, byte)
        end
      end
    end)

    it("each byte alone, twice, and as a whole address around an @", function()
      for byte = 0, 255 do
        local char = string.char(byte)
        for _, input in ipairs { char, char .. char, char .. "@" .. char, "a@" .. char .. ".com",
          '"' .. char .. '"@a.com' } do
          check_answer(input, nil, byte)
          check_answer(input, liberal, byte)
        end
      end
    end)
  end)

  describe("whatever it is given,", function()
    local pieces = {
      "a", "b", "Z", "0", "9", "-", ".", "..", "@", "@", "@", '"', "\\", "[", "]", ":", "::", "<", ">", " ", "\t",
      "(", ")", "\0", "\r", "\n", "\127", "_", ",", ";", "xn--", "XN--", "--", "IPv6:", "192.0.2.1", "ffff", "com",
      ".com", "example", "local", "localhost", "home.arpa", "bcher-kva", "fiqs8s", "zca",
      "\195\188", "\195\159", "u\204\136", "\204\129",
      "\226\128\139", "\226\128\140", "\226\128\141", "\194\173", "\239\188\160", "\239\188\142", "\227\128\130",
      "\239\188\173", "\215\144", "\217\160", "\224\164\149\224\165\141", "\228\184\173", "\240\159\153\130",
      "\226\137\160", "\205\190", "\226\132\170", "\240\157\133\158", "\237\160\128", "\255", "\192\175",
      "\239\191\189", "\239\183\186",
      ("a"):rep(20), ("b"):rep(63), ("\195\188"):rep(9), ("x."):rep(12),
    }

    it("is refused at a place, or makes itself again (seeded)", function()
      local seed = tonumber(os.getenv("RCPT_SEED") or "") or 20240517
      local random = generator(seed)
      local valid = 0
      for round = 1, 20000 do
        local t = {}
        for i = 1, random(8) do t[i] = pieces[random(#pieces)] end
        if round % 2 == 0 then             -- every other one has a chance
          local some = function(n) return pieces[random(n or #pieces)] end
          t = { some(5), some(), "@", some(5), some(), ".com" }
        end
        local input = table.concat(t)
        local note = ("seed %d, round %d: %q"):format(seed, round, input)
        local a = check_answer(input, round % 3 == 0 and liberal or nil, note)
        valid = valid + (a.valid and 1 or 0)
      end
      assert.is_true(valid > 1000, "too few were valid to show anything: " .. valid)
    end)

    it("survives one byte changed, dropped or doubled in a good address", function()
      local random = generator(7)
      local good = {
        "user@example.com", '"a b\\""@example.com', "a@[IPv6:2001:db8::192.0.2.1]",
        "j\195\188rgen@b\195\188cher.example",
        "a@xn--bcher-kva.example", "Joe <a@example.com>", "a@\227\129\130\227\128\130\228\184\173.com",
      }
      for _, text in ipairs(good) do
        for i = 1, #text do
          local head, tail = text:sub(1, i - 1), text:sub(i + 1)
          check_answer(head .. tail, liberal)
          check_answer(head .. text:sub(i, i):rep(2) .. tail, liberal)
          check_answer(head .. string.char(random(256) - 1) .. tail, liberal)
          check_answer(head, liberal)
        end
      end
    end)

    it("answers a megabyte as fast as a line", function()
      local mega = 1048576
      local start = os.clock()
      local many = { "a", "a.", "\0", "@", '"', "\\", "\195\188", "\255", ">", "<", " ", "a@[", ".", "xn--", "(" }
      for _, s in ipairs(many) do
        local long = s:rep(math.floor(mega / #s))
        for _, input in ipairs { long, "a@" .. long, '"' .. long, "a@[" .. long, "<" .. long .. ">",
          "a@xn--" .. long, "a@\195\188." .. long } do
          assert.is_false(core.parse(input).valid)
          assert.is_false(core.parse(input, liberal).valid)
        end
      end
      assert.is_true(os.clock() - start < 5)
    end)

    it("answers each file of the fuzzer's corpus", function()
      local list = io.popen("ls check/corpus/address")
      local count = 0
      for name in list:lines() do
        local file = assert(io.open("check/corpus/address/" .. name, "rb"))
        local input = file:read("*a"):sub(2)
        file:close()
        check_answer(input, nil, name)
        check_answer(input, liberal, name)
        count = count + 1
      end
      list:close()
      assert.is_true(count > 20)
    end)
  end)

  describe("gives the fields", function()
    it("of a plain address", function()
      assert.same({
        valid = true, address = "A@Example.com", normalized = "A@example.com", ascii = "A@example.com",
        ["local"] = "A", domain = "example.com", unicode_domain = "example.com", kind = "domain",
        quoted = false, smtputf8 = false,
      }, core.parse("A@Example.com"))
    end)

    it("of an international one", function()
      assert.same({
        valid = true, address = "\195\188@B\195\156CHER.de", normalized = "\195\188@b\195\188cher.de",
        ["local"] = "\195\188", domain = "xn--bcher-kva.de", unicode_domain = "b\195\188cher.de", kind = "domain",
        quoted = false, smtputf8 = true,
      }, core.parse("\195\188@B\195\156CHER.de"))
    end)

    it("of literals: brackets and tag are the domain's", function()
      local four, six = core.parse('"a b"@[192.0.2.1]'), core.parse("a@[IPv6:2001:DB8::1]")
      assert.same({ "ipv4", "[192.0.2.1]", "[192.0.2.1]", true },
        { four.kind, four.domain, four.unicode_domain, four.quoted })
      assert.same({ "ipv6", "[IPv6:2001:db8::1]", false }, { six.kind, six.domain, six.quoted })
    end)

    it("of a refusal", function()
      assert.same({ valid = false, address = "a@", reason = "domain_empty", position = 3 }, core.parse("a@"))
    end)

    it("with a whole number for a position", function()
      assert.equal("3", ("%s"):format(core.parse("a@").position))
    end)
  end)

  describe("raises for", function()
    it("an address that is no string, a number too", function()
      for _, wrong in ipairs { 1, true, {}, print } do
        assert.error_matches(function() core.parse(wrong) end, "bad argument #1 to '.-'")
      end
      assert.error_matches(function() core.parse() end, "bad argument #1 to '.-'")
    end)

    it("options that are no table", function()
      for _, wrong in ipairs { 1, true, "quoted", print } do
        assert.error_matches(function() core.parse("a@b.example", wrong) end, "bad argument #2 to '.-'")
      end
      assert.is_true(core.parse("a@b.example", nil).valid)
    end)

    it("an option that is no boolean, and names it", function()
      for _, name in ipairs { "quoted", "literal", "smtputf8", "display_name", "single_label", "special_use" } do
        for _, wrong in ipairs { 1, "yes", {} } do
          assert.error_matches(function() core.parse("a@b.example", { [name] = wrong }) end,
            "option '" .. name .. "'")
        end
      end
    end)
  end)
end)

describe("core.diagnoses", function()
  local known = {}
  for _, row in ipairs(core.diagnoses()) do known[row.name] = row end

  it("gives each once, with prose and a clause", function()
    local count = 0
    for name, row in pairs(known) do
      count = count + 1
      assert.matches("^[a-z0-9_]+$", name)
      assert.is_true(#row.text > 10)
      assert.matches("^[RU][FT]", row.clause)
    end
    assert.equal(#core.diagnoses(), count)
  end)

  it("has every one that the vectors expect, and the vectors expect every one", function()
    local seen = {}
    for _, row in ipairs(vectors("spec/vectors/address.tsv")) do
      if row.result ~= "valid" then
        assert.is_table(known[row.result], row.result)
        seen[row.result] = true
      end
    end
    for name in pairs(known) do assert.is_true(seen[name], name .. " is in no vector") end
  end)
end)
