--- Rows for people, printed as they come.
-- The rows of a stream are not known beforehand, so each column has its share of the line from the
-- start. Cells are made harmless; one that is too long is cut, in the middle or at the end.
-- Without a width (no terminal) nothing is cut: a long cell pushes the rest of its row to the right.
-- @module rcpt.cli.table
local text = require "rcpt.cli.text"
local concat, floor, ipairs, max, rep = table.concat, math.floor, ipairs, math.max, string.rep
local printer = {}

local GAP = "  "

-- The widths of the columns: fixed ones take theirs, the others share what is left by weight.
local function share(columns, total)
  local left, weights = total - #GAP * (#columns - 1), 0
  for _, column in ipairs(columns) do
    left = left - (column.width or 0)
    weights = weights + (column.weight or 0)
  end
  local widths, unused = {}, left
  for i, column in ipairs(columns) do
    widths[i] = column.width or max(1, floor(left * column.weight / weights))
    if column.weight then unused = unused - widths[i] end
  end
  widths[#widths] = widths[#widths] + max(0, unused) -- what rounding left over
  return widths
end

--- @tparam {table,...} columns each `{ name =, width = | weight =, cut = "middle" | "end" }`, the last one weighed
-- @tparam ?int total the line's columns; nil: no limit
-- @tparam function(text,name) paint see `rcpt.cli.color`
-- @treturn function(cells, name) gives the row as one line; `name` is the colour of the second cell
function printer.new(columns, total, paint)
  local widths = share(columns, total or 100)
  return function(cells, name)
    local out = {}
    for i, column in ipairs(columns) do
      local cell, used = text.fit(cells[i] or "", total and widths[i], column.cut)
      local painted = i == 2 and name and paint(cell, name) or cell
      out[i] = i == #columns and painted or painted .. rep(" ", max(0, widths[i] - used))
    end
    return (concat(out, GAP):gsub(" +$", ""))
  end
end

--- The names of the columns, as cells.
-- @tparam {table,...} columns
-- @treturn {string,...}
function printer.head(columns)
  local cells = {}
  for i, column in ipairs(columns) do cells[i] = column.name end
  return cells
end

return printer
