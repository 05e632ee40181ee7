local options = require "rcpt.options"
local rcpt = require "rcpt"
local verdict = require "rcpt.verdict"

local file = assert(io.open("lua/rcpt/types.lua"))
local text = file:read("*a")
file:close()

local function fields_of(class)
  local block = assert(text:match("%-%-%-@class " .. class:gsub("%.", "%%.") .. "[^\n]*\n(.-)\n[^-]")
    or text:match("%-%-%-@class " .. class:gsub("%.", "%%.") .. "[^\n]*\n(.-)\n\n"), class)
  local names = {}
  for name in block:gmatch("%-%-%-@field ([%w_]+)") do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function functions_of(owner, separator)
  local names = {}
  for name in text:gmatch("\nfunction " .. owner .. separator .. "([%w_]+)") do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function own_functions(of)
  local names = {}
  for name, value in pairs(of) do
    if type(value) == "function" and not name:find("^__") then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

describe("lua/rcpt/types.lua", function()
  it("is for the language server alone", function() assert.truthy(text:find("^%-%-%-@meta rcpt\n")) end)

  it("has the functions of the module", function()
    assert.same(own_functions(rcpt), functions_of("rcpt", "%."))
  end)

  it("has the methods of a validator", function()
    local validator = rcpt.new { level = "syntax" }
    assert.same(own_functions(getmetatable(validator)), functions_of("Validator", ":"))
  end)

  it("has the methods of a call", function()
    local call = rcpt.new({ level = "syntax" }):start("a@b.example")
    local names = own_functions(getmetatable(call))
    for i, name in ipairs(names) do
      if name == "start" then table.remove(names, i) end -- how a validator makes one
    end
    assert.same(names, functions_of("Call", ":"))
    call:wait()
  end)

  it("has the methods of a task", function()
    local names = rcpt.run(function() return own_functions(getmetatable(rcpt.spawn(function() end))) end)
    assert.same(names, functions_of("Task", ":"))
  end)

  it("has the options of the schema", function()
    local names = {}
    for _, row in ipairs(options.schema) do names[#names + 1] = row.name end
    table.sort(names)
    local declared = fields_of("rcpt.Options")
    for _, name in ipairs(fields_of("rcpt.ParseOptions")) do declared[#declared + 1] = name end
    table.sort(declared)
    assert.same(names, declared)
  end)

  it("has the fields of a verdict", function()
    local names = {}
    for _, row in ipairs(verdict.FIELDS) do names[#names + 1] = row[1] end
    table.sort(names)
    assert.same(names, fields_of("rcpt.Verdict"))
  end)
end)
