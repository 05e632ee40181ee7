--- rcpt parse, as a user and as another program call it.
local cjson = require "cjson"
local cli = require "spec.support.cli"

local function objects(output)
  local list = {}
  for i, line in ipairs(cli.lines(output)) do list[i] = cjson.decode(line) end
  return list
end

describe("rcpt parse", function()
  after_each(cli.sweep)

  it("answers one address with a card, several with a table, and exits 0 for bad ones too", function()
    local one = cli.run { "parse", "User@Company.Example" }
    assert.equal(0, one.code)
    assert.matches("^User@Company%.Example\n  form        valid\n  normalized  User@company%.example\n", one.out)
    local bad = cli.run { "parse", "user@" }
    assert.equal(0, bad.code)
    assert.matches("form%s+invalid: %S+ at byte 6\n", bad.out)
    local several = cli.run { "parse", "a@b.example", "user@" }
    assert.equal(0, several.code)
    local rows = cli.lines(several.out)
    assert.equal(3, #rows)
    assert.matches("^address%s+form", rows[1])
    assert.matches("^a@b%.example%s+valid%s+a@b%.example$", rows[2])
    assert.matches("^user@%s+invalid%s+%S+ at byte 6$", rows[3])
  end)

  it("prints a line of JSON for each address, with every member, in one order", function()
    local got = cli.run { "parse", "--json", "a@b.example", "user@" }
    assert.equal(0, got.code)
    for _, line in ipairs(cli.lines(got.out)) do
      local names = {}
      for name in line:gmatch('"(%l+)":') do names[#names + 1] = name end
      assert.equal("address valid reason position normalized ascii local domain", table.concat(names, " "))
    end
    local found = objects(got.out)
    assert.same({ true, false }, { found[1].valid, found[2].valid })
    assert.equal(cjson.null, found[1].reason)
    assert.equal(6, found[2].position)
    assert.equal(cjson.null, found[2].normalized)
  end)

  it("takes the liberties as options", function()
    local rows = {
      { '"a b"@b.example', true, "--no-quoted", false }, { "a@[192.0.2.1]", true, "--no-literal", false },
      { "ü@b.example", true, "--no-smtputf8", false }, { "Name <a@b.example>", false, "--display-name", true },
      { "a@host", false, "--single-label", true }, { "a@b.localhost", false, "--special-use", true },
    }
    for _, row in ipairs(rows) do
      assert.equal(row[2], objects(cli.run({ "parse", "--json", row[1] }).out)[1].valid, row[1])
      assert.equal(row[4], objects(cli.run({ "parse", "--json", row[3], row[1] }).out)[1].valid, row[3])
    end
  end)

  it("reads lines with `-`: CR LF, NUL, broken bytes, a last line without an end; passes over blank ones", function()
    local got = cli.run({ "parse", "--json", "-" }, {
      stdin = "a@b.example\r\n\n  \t\n#x@b.example\nnul\0here@b.example\n\255@b.example\n"
        .. "cr\rhere@b.example\nlast@b.example",
    })
    assert.equal(0, got.code, got.err)
    local found, seen = objects(got.out), {}
    for i, row in ipairs(found) do seen[i] = row.address .. (row.valid and "" or " no") end
    assert.same({
      "a@b.example", "#x@b.example", "nul\0here@b.example no", "\239\191\189@b.example no", "cr\rhere@b.example no",
      "last@b.example",
    }, seen)
  end)

  it("reads a file, a pipe, a terminal's end and nothing at all", function()
    assert.equal("", cli.run({ "parse", "--json", "-" }).out)
    assert.equal("", cli.run({ "parse", "--json", "-" }, { stdin = "" }).out)
    local piped = cli.sh("printf 'a@b.example\\n' | " .. cli.command { "parse", "--json", "-" })
    assert.equal(1, #objects(piped.out))
  end)

  it("fails when standard input is closed", function()
    local got = cli.sh(cli.command { "parse", "--json", "-" } .. " <&-")
    assert.equal(3, got.code)
    assert.matches("standard input", got.err, 1, true)
  end)

  it("answers an address after `--` that begins with a dash", function()
    assert.equal(true, objects(cli.run({ "parse", "--json", "--", "-a@b.example" }).out)[1].valid)
  end)

  it("answers while the input is still open", function()
    cli.converse({ "parse", "--json", "-" }, function(input, output)
      for i = 1, 3 do
        input:write(("user%d@b.example\n"):format(i))
        assert.equal(("user%d@b.example"):format(i), cjson.decode(output:read("*l")).address)
      end
      input:close()
      assert.is_nil(output:read("*l"))
    end)
  end)

  describe("--json-lines", function()
    it("reads strings that hold any character and answers each", function()
      local given = {
        "a@b.example", "nul\0@b.example", "cr\r\nlf@b.example", "\"quoted \\\" x\"@b.example", "ü@bücher.example", "",
        "tab\t@b.example", "😀@b.example", ("x"):rep(5000) .. "@b.example", "null",
      }
      local lines = {}
      for i, address in ipairs(given) do lines[i] = cjson.encode(address) end
      local got = cli.run({ "parse", "--json-lines" }, { stdin = table.concat(lines, "\n") .. "\n" })
      assert.equal(0, got.code, got.err)
      local found = objects(got.out)
      assert.equal(#given, #found)
      for i, address in ipairs(given) do assert.equal(address, found[i].address) end
      local valid = {}
      for i, row in ipairs(found) do valid[i] = row.valid and "1" or "0" end
      assert.equal("1001100100", table.concat(valid))
      assert.equal("ü@xn--bcher-kva.example", found[5]["local"] .. "@" .. found[5].domain)
      assert.equal(cjson.null, found[5].ascii)
      assert.equal("ü@bücher.example", found[5].normalized)
    end)

    it("refuses a lone surrogate as the broken text it is, in a line of valid UTF-8", function()
      local got = cli.run({ "parse", "--json-lines" }, { stdin = [["\ud800@b.example"]] .. "\n" })
      assert.equal(0, got.code)
      assert.equal(("\239\191\189"):rep(3) .. "@b.example", objects(got.out)[1].address)
      assert.equal(false, objects(got.out)[1].valid)
    end)

    it("keeps its lines in step where one cannot be read, names it, and exits 2", function()
      local got = cli.run({ "parse", "--json-lines" }, {
        stdin = '"a@b.example"\nnonsense\n\n42\nnull\n["a@b.example"]\n"' .. ("x"):rep(70000) .. '"\n"c@b.example"\n',
      })
      assert.equal(2, got.code)
      local found = objects(got.out)
      assert.equal(8, #found)
      assert.equal("a@b.example", found[1].address)
      assert.equal("c@b.example", found[8].address)
      for i = 2, 7 do
        assert.is_string(found[i].error)
        assert.same({ cjson.null, cjson.null }, { found[i].address, found[i].valid })
        assert.truthy(got.err:find(("parse: line %d: "):format(i), 1, true), got.err)
      end
      assert.equal("longer than 64 KiB", found[7].error)
    end)

    it("tells ten complaints, and then how many there were", function()
      local got = cli.run({ "parse", "--json-lines" }, { stdin = ("x\n"):rep(500) })
      assert.equal(11, #cli.lines(got.err))
      assert.matches("500 lines could not be read in all\n$", got.err)
    end)
  end)

  it("answers a hundred thousand lines in seconds", function()
    local from = cli.file()
    local file = assert(io.open(from, "w"))
    for i = 1, 100000 do file:write('"user', i, '@company.example"\n') end
    file:close()
    local began = os.time()
    local got = cli.sh(cli.command { "parse", "--json-lines" } .. " <" .. from)
    assert.equal(100000, select(2, got.out:gsub("\n", "")))
    assert.truthy(os.time() - began <= 20, "it took " .. os.time() - began .. " s")
  end)
end)
