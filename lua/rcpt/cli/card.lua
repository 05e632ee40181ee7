--- One answer in full, for people: a name and its facts, one below the other.
-- @module rcpt.cli.card
local text = require "rcpt.cli.text"
local gmatch, gsub, ipairs, max, rep = string.gmatch, string.gsub, ipairs, math.max, string.rep
local card = {}

local INDENT = 2
local LEAST = 20 -- columns a fact has at least

local function wrap(s, room)
  local out = {}
  for part in gmatch(gsub(s, "\n$", "") .. "\n", "(.-)\r?\n") do
    for _, line in ipairs(text.wrap(part, room)) do out[#out + 1] = line end
  end
  return out
end

--- @tparam string title
-- @tparam {table,...} facts each { name, value, colour or nil }; a value may have several lines
-- @tparam ?int width the line's columns
-- @tparam function(text,name) paint see `rcpt.cli.color`
-- @treturn {string,...} lines
function card.lines(title, facts, width, paint)
  local name_width = 0
  for _, fact in ipairs(facts) do name_width = max(name_width, #fact[1]) end
  local room = width and max(LEAST, width - INDENT - name_width - 2)
  local out = {}
  for _, line in ipairs(text.wrap(title, width)) do out[#out + 1] = paint(line, "strong") end
  for _, fact in ipairs(facts) do
    local name = fact[1]
    for _, line in ipairs(wrap(fact[2], room)) do
      local label = rep(" ", INDENT) .. name .. rep(" ", name_width - #name + 2)
      out[#out + 1] = label .. (fact[3] and paint(line, fact[3]) or line)
      name = ""
    end
  end
  return out
end

return card
