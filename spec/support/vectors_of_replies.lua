--- Reads a file of vectors: input, expected, why. In the first two \r \n \t \0 \\ and \xHH are bytes,
-- and \{2000 x} is two thousand x.
-- @module spec.support.vectors_of_replies
local escapes = { r = "\r", n = "\n", t = "\t", ["0"] = "\0", ["\\"] = "\\" }

local function unescape(text)
  text = text:gsub("\\{(%d+) (.)}", function(n, c) return (c:rep(tonumber(n))) end)
  text = text:gsub("\\x(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  return (text:gsub("\\([rnt0\\])", escapes))
end

local rows, number = {}, 0
for line in io.lines("spec/vectors/replies.tsv") do
  number = number + 1
  if not line:match("^#") then
    local input, expected, why = line:match("^([^\t]*)\t([^\t]*)\t([^\t]+)$")
    assert(input, "replies.tsv, line " .. number)
    rows[#rows + 1] = { line = number, input = unescape(input), expected = unescape(expected), why = why }
  end
end
return rows
