--- Addresses parsed a second: in C, and through core.parse with the table it makes.
-- The floor in Lua makes a table of the same ten fields from strings it has.
local support = require "bench.support"
local core = require "rcpt.core"

local sources = {}
for _, file in ipairs { "diagnosis", "octet", "unicode", "literal", "special", "domain", "address" } do
  sources[#sources + 1] = "src/wire/" .. file .. ".c"
end
local program = support.compile("parse", table.concat(sources, " ")
  .. " $(pkg-config --cflags --libs libidn2) -lunistring")

local plain = {
  "user@example.com", "first.last@company.example", "abc@mail.example.org", "x@y.test",
  "newsletter+tag@lists.example.net", "J.R.Longname-Surname@a-rather-long-domain-name.example.com",
  "1234567890@example.com", "support@xyz.co.example",
}

local function floor(address)
  return {
    valid = true, address = address, normalized = address, ascii = address, ["local"] = "user",
    domain = "example.com", unicode_domain = "example.com", kind = "domain", quoted = false, smtputf8 = false,
  }
end

--- Calls a second of processor time; the median of three rounds. What is kept cannot be optimised away.
local function rate(fn, list)
  local figures = {}
  for round = 1, 3 do
    local n, start = 0, os.clock()
    local spent
    repeat
      for _ = 1, 2000 do
        for i = 1, #list do support.kept = fn(list[i]) end
      end
      n = n + 2000 * #list
      spent = os.clock() - start
    until spent > 0.3
    figures[round] = n / spent
  end
  return support.median(figures)
end

-- A million addresses are a million strings: none of them was seen before.
local fresh = {}
for i = 1, 20000 do fresh[i] = ("user%d@host%d.example.com"):format(i * 7919, i) end

print("addresses parsed a second; " .. support.machine())
for name, figure in support.output(program):gmatch("([^\t\n]+)\t(%d+)\n") do
  print(("  C    %-34s %12d"):format(name, figure))
end
for _, row in ipairs {
  { "floor: a table of ten fields", floor, plain },
  { "core.parse, eight addresses again", core.parse, plain },
  { "core.parse, 20,000 different ones", core.parse, fresh },
  { "core.parse, refused", core.parse, { "no at", "a@b", "a..b@c.example", "a@-.example" } },
} do
  print(("  Lua  %-34s %12.0f"):format(row[1], rate(row[2], row[3])))
end
