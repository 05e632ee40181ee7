--- JSON in and out: cjson reads and quotes, the order of an object's members and valid UTF-8 are ours.
-- cjson writes members in no order and passes broken UTF-8 through; a line of ours has its
-- members in the order of a list and is always valid. Tables that this module is given to write
-- are flat or nearly so: a depth of 16 is a mistake of ours.
-- @module rcpt.cli.json
local cjson = require("cjson").new()
local text = require "rcpt.cli.text"
local find, format, gsub, sub = string.find, string.format, string.gsub, string.sub
local concat, sort = table.concat, table.sort
local error, ipairs, next, pairs, pcall, tonumber, type = error, ipairs, next, pairs, pcall, tonumber, type
local json = {}

cjson.decode_invalid_numbers(false) -- no NaN, no hexadecimal: they are not JSON
cjson.decode_max_depth(32)

--- What stands for JSON's null, in and out.
json.null = cjson.null

local function quote(s)
  -- cjson escapes each slash, which is allowed and hard to read.
  return (gsub(cjson.encode(text.repair(s)), "\\/", "/"))
end

-- Milliseconds are the finest thing we measure.
local function number(n)
  if n ~= n or n == 1 / 0 or n == -1 / 0 then return "null" end
  if n % 1 == 0 and n < 2 ^ 53 and n > -2 ^ 53 then return format("%.0f", n) end
  return (gsub(gsub(format("%.3f", n), "0+$", ""), "%.$", ""))
end

local write -- of any value; the two below need it

local function array(list, shape, depth)
  local out = {}
  for i, value in ipairs(list) do out[i] = write(value, shape and shape[1], depth) end
  return "[" .. concat(out, ",") .. "]"
end

local function member(name, value, shape, depth)
  return quote(name) .. ":" .. write(value, shape and shape.of and shape.of[name], depth)
end

-- First the members the shape names, absent ones as null where it says so; then the others by name.
local function object(map, shape, depth)
  local out, named = {}, {}
  for _, name in ipairs(shape or {}) do
    named[name] = true
    local value = map[name]
    if value == nil and shape.whole then value = json.null end
    if value ~= nil then out[#out + 1] = member(name, value, shape, depth) end
  end
  local others = {}
  for name in pairs(map) do
    if type(name) == "string" and not named[name] then others[#others + 1] = name end
  end
  sort(others)
  for _, name in ipairs(others) do out[#out + 1] = member(name, map[name], shape, depth) end
  return "{" .. concat(out, ",") .. "}"
end

local scalars = {
  string = quote,
  number = number,
  boolean = function(b) return b and "true" or "false" end,
}

function write(value, shape, depth)
  if value == json.null then return "null" end
  local scalar = scalars[type(value)]
  if scalar then return scalar(value) end
  if type(value) ~= "table" then return "null" end
  if depth > 16 then error("a table too deep to be written as JSON", 0) end
  local is_list = shape and shape.list
  if is_list == nil then is_list = value[1] ~= nil end
  if is_list then return array(value, shape, depth + 1) end
  return object(value, shape, depth + 1)
end

--- One line of JSON, without its end.
--
-- A shape says how a table is written: a list of member names (their order), `whole = true` when
-- absent ones are written as null, `of = { name = shape }` for members that are tables themselves.
-- `list = true` makes an array, even of an empty table, `[1]` being the shape of its elements then.
-- Without a shape, a table with a first element is an array and any other an object.
-- @param value a table, string, number, boolean or `json.null`; what JSON cannot say becomes null
-- @tparam ?table shape
-- @treturn string
function json.encode(value, shape)
  return write(value, shape, 0)
end

-- A lone surrogate as an escape is grammatical JSON but no character; cjson refuses it. Written out in
-- three bytes it is what it is: broken UTF-8, for the parser of addresses to refuse.
local function write_out_surrogates(line)
  local out, i = {}, 1
  while true do
    local from, to, letter = find(line, "\\(.)", i)
    if not from then break end
    local hex = letter == "u" and line:match("^[dD][89a-fA-F]%x%x", to + 1)
    local code = hex and tonumber(hex, 16)
    if code and code < 0xDC00 and find(line, "^\\u[dD][c-fC-F]%x%x", to + 5) then
      to = to + 10 -- a pair, which cjson knows
      out[#out + 1] = sub(line, i, to)
    elseif code then
      to = to + 4
      out[#out + 1] = sub(line, i, from - 1) .. text.encode(code)
    else
      out[#out + 1] = sub(line, i, to)
    end
    i = to + 1
  end
  out[#out + 1] = sub(line, i)
  return concat(out)
end

--- Read one JSON value.
-- @tparam string line
-- @return the value, `json.null` for null; or nil, message
function json.decode(line)
  local ok, value = pcall(cjson.decode, line)
  if not ok and find(value, "unicode escape", 1, true) and find(line, "\\u[dD]") then
    ok, value = pcall(cjson.decode, write_out_surrogates(line))
  end
  if ok then return value end
  return nil, value
end

--- The members of a decoded object with each null gone.
-- @tparam table map
-- @treturn table a fresh one
function json.without_nulls(map)
  local out = {}
  for name, value in next, map do
    if value ~= json.null then out[name] = value end
  end
  return out
end

return json
