--- What somebody may have meant to write.
-- @module rcpt.spelling
local ipairs, min = ipairs, math.min
local spelling = {}

local WRITTEN_MAX = 64

-- Levenshtein's distance, one row at a time.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local corner = row[0]
    row[0] = i
    for j = 1, #b do
      local above = row[j]
      row[j] = min(above + 1, row[j - 1] + 1, corner + (a:byte(i) == b:byte(j) and 0 or 1))
      corner = above
    end
  end
  return row[#b]
end

--- The name in a list nearest to what was written.
-- @tparam string name
-- @tparam {string,...} list
-- @treturn ?string nil where nothing is near
function spelling.nearest(name, list)
  local best, least
  for _, candidate in ipairs(list) do
    local d = distance(name:sub(1, WRITTEN_MAX):lower(), candidate)
    if not least or d < least then best, least = candidate, d end
  end
  return least and least <= 1 + #best / 2 and best or nil
end

return spelling
