-- The table of options in README.md, from the schema in lua/rcpt/options.lua:
--   lua5.4 check/options.lua              prints it
--   lua5.4 check/options.lua README.md    puts it between the marks there
-- It needs no built module; a spec compares README with what this prints.
package.path = "./lua/?.lua;./lua/?/init.lua;" .. package.path
if not package.loaded["rcpt.core"] then package.loaded["rcpt.core"] = { ip = function() return nil end } end
local options = require "rcpt.options"

local function default_of(row)
  if row.default == nil then return "" end
  return ("`%s`%s"):format(tostring(row.default), row.unit and " " .. row.unit or "")
end

local function range_of(row)
  if row.type == "false" then return "`false`" end
  if not row.min then return row.type end
  return ("%s, %s to %s"):format(row.type, tostring(row.min), tostring(row.max))
end

local out = { "| option | takes | default | what it is |", "|---|---|---|---|" }
for _, row in ipairs(options.schema) do
  out[#out + 1] = ("| `%s` | %s | %s | %s |"):format(row.name, range_of(row), default_of(row), row.doc)
end

local text = table.concat(out, "\n") .. "\n"
local function put(path)
  local file = assert(io.open(path, "rb"))
  local all = file:read("*a")
  file:close()
  local head, tail = all:match("^(.-<!%-%- options:.-%-%->\n).-(<!%-%- /options %-%->.*)$")
  assert(head, path .. " has no marks for the options")
  file = assert(io.open(path, "wb"))
  file:write(head, text, tail)
  file:close()
end

if arg and arg[0] and arg[0]:find("check/options.lua", 1, true) then
  if arg[1] then put(arg[1]) else io.write(text) end
end
return text
