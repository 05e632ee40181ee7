--- Reads a file of vectors: input, expected, why, tab-separated; "#" begins a comment line.
-- In the first two \r \n \t \0 \\ and \xHH are bytes, and \{2000 x} is two thousand x.
-- @module spec.support.vectors
local vectors = {}

local escapes = { r = "\r", n = "\n", t = "\t", ["0"] = "\0", ["\\"] = "\\" }

--- The bytes that a text with escapes stands for.
function vectors.unescape(text)
  text = text:gsub("\\{(%d+) (.)}", function(n, c) return (c:rep(tonumber(n))) end)
  text = text:gsub("\\x(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  return (text:gsub("\\([rnt0\\])", escapes))
end

--- @treturn table list of { line=, input=, expected=, why= }
function vectors.load(path)
  local rows, number = {}, 0
  for line in io.lines(path) do
    number = number + 1
    if line ~= "" and not line:match("^#") then
      local input, expected, why = line:match("^([^\t]*)\t([^\t]*)\t([^\t]+)$")
      assert(input, path .. ", line " .. number)
      rows[#rows + 1] = { line = number, why = why, input = vectors.unescape(input),
        expected = vectors.unescape(expected) }
    end
  end
  return rows
end

return vectors
