--- Bytes of unknown origin made fit to be shown: valid UTF-8, harmless on a terminal, so wide and no wider.
-- What a server or an input file says may hold anything. `repair` serves JSON, `harmless` and
-- `fit` serve people. Nothing here knows of addresses.
-- @module rcpt.cli.text
local byte, char, find, format, sub = string.byte, string.char, string.find, string.format, string.sub
local gmatch, gsub = string.gmatch, string.gsub
local concat, floor = table.concat, math.floor
local text = {}

local REPLACEMENT = "\239\191\189" -- U+FFFD
local ELLIPSIS = "\226\128\166" -- U+2026

-- Shown as an escape although they are valid: what moves the cursor, turns the direction of
-- reading or cannot be seen.
local HIDDEN = {
  { 0x00, 0x1F }, { 0x7F, 0x9F }, { 0xAD, 0xAD }, { 0x61C, 0x61C }, { 0x180E, 0x180E }, { 0x200B, 0x200F },
  { 0x2028, 0x202E }, { 0x2060, 0x206F }, { 0xFEFF, 0xFEFF }, { 0xFFF9, 0xFFFB }, { 0xE0000, 0xE0FFF },
}
-- Columns a character takes: none, or two (the wide and full-width ones of UAX 11, in blocks).
local NARROWEST = {
  { 0x300, 0x36F }, { 0x483, 0x489 }, { 0x591, 0x5BD }, { 0x610, 0x61A }, { 0x64B, 0x65F }, { 0x1AB0, 0x1AFF },
  { 0x1DC0, 0x1DFF }, { 0x20D0, 0x20FF }, { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F },
}
local WIDE = {
  { 0x1100, 0x115F }, { 0x231A, 0x231B }, { 0x23E9, 0x23F3 }, { 0x25FD, 0x25FE }, { 0x2614, 0x2615 },
  { 0x2648, 0x2653 }, { 0x267F, 0x27BF }, { 0x2B1B, 0x2B55 }, { 0x2E80, 0x303E }, { 0x3041, 0xA4CF },
  { 0xA960, 0xA97F }, { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF }, { 0xFE10, 0xFE19 }, { 0xFE30, 0xFE6F },
  { 0xFF00, 0xFF60 }, { 0xFFE0, 0xFFE6 }, { 0x16FE0, 0x18D08 }, { 0x1AFF0, 0x1B2FB }, { 0x1F004, 0x1FAFF },
  { 0x20000, 0x3FFFD },
}

local function is_in(ranges, code)
  for i = 1, #ranges do
    local range = ranges[i]
    if code < range[1] then return false end
    if code <= range[2] then return true end
  end
  return false
end

local function is_tail(b)
  return b ~= nil and b >= 0x80 and b <= 0xBF
end

-- The character at byte i: its length and code point; nil where there is none (RFC 3629 4).
local function decode(s, i)
  local a, b, c, d = byte(s, i, i + 3)
  if a < 0x80 then return 1, a end
  if a < 0xC2 or a > 0xF4 or not is_tail(b) then return nil end
  if a < 0xE0 then return 2, (a - 0xC0) * 0x40 + b - 0x80 end
  if not is_tail(c) then return nil end
  if a < 0xF0 then
    local code = ((a - 0xE0) * 0x40 + b - 0x80) * 0x40 + c - 0x80
    if code < 0x800 or (code >= 0xD800 and code <= 0xDFFF) then return nil end
    return 3, code
  end
  if not is_tail(d) then return nil end
  local code = (((a - 0xF0) * 0x40 + b - 0x80) * 0x40 + c - 0x80) * 0x40 + d - 0x80
  if code < 0x10000 or code > 0x10FFFF then return nil end
  return 4, code
end

--- The bytes of a code point, surrogates included (which no UTF-8 text may hold).
-- @tparam int code below 0x10000
-- @treturn string
function text.encode(code)
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(0xC0 + floor(code / 0x40), 0x80 + code % 0x40) end
  return char(0xE0 + floor(code / 0x1000), 0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
end

--- Valid UTF-8 from any bytes: each byte that belongs to no character becomes U+FFFD.
-- @tparam string s
-- @treturn string
function text.repair(s)
  local i = find(s, "[\128-\255]")
  if not i then return s end
  local out, from = {}, 1
  while i do
    local len = decode(s, i)
    if not len then
      out[#out + 1] = sub(s, from, i - 1)
      out[#out + 1] = REPLACEMENT
      from = i + 1
    end
    i = find(s, "[\128-\255]", i + (len or 1))
  end
  out[#out + 1] = sub(s, from)
  return concat(out)
end

-- The pieces to be shown, in order, and the columns each takes. An escape is one piece.
local function pieces_of(s)
  local pieces, widths, i = {}, {}, 1
  while i <= #s do
    local len, code = decode(s, i)
    local piece, width
    if not len or (code < 0x100 and is_in(HIDDEN, code)) then
      piece = format("\\x%02x", code or byte(s, i))
    elseif is_in(HIDDEN, code) then
      piece = format("\\u{%x}", code)
    else
      piece = sub(s, i, i + len - 1)
      width = is_in(NARROWEST, code) and 0 or is_in(WIDE, code) and 2 or 1
    end
    pieces[#pieces + 1] = piece
    widths[#widths + 1] = width or #piece
    i = i + (len or 1)
  end
  return pieces, widths
end

local function is_plain(s)
  return not find(s, "[%c\128-\255]")
end

--- Text that does nothing to a terminal: control and invisible characters and broken bytes as escapes.
-- @tparam string s
-- @treturn string one line
function text.harmless(s)
  return is_plain(s) and s or concat((pieces_of(s)))
end

--- The columns `harmless(s)` takes.
-- @tparam string s
-- @treturn int
function text.width(s)
  if is_plain(s) then return #s end
  local sum, _, widths = 0, pieces_of(s)
  for i = 1, #widths do sum = sum + widths[i] end
  return sum
end

-- Pieces from `from` on, `step` by `step`, as many as fit.
local function take(pieces, widths, from, step, room)
  local out, used, i = {}, 0, from
  while pieces[i] and used + widths[i] <= room do
    used = used + widths[i]
    out[#out + 1] = pieces[i]
    i = i + step
  end
  return out, used
end

local function reverse(list)
  local out, n = {}, #list
  for i = 1, n do out[i] = list[n + 1 - i] end
  return out
end

--- Harmless text of at most so many columns; what is too long loses its middle, or its end.
-- @tparam string s
-- @tparam ?int room columns, at least 1; nil or false: no limit
-- @tparam[opt="middle"] string where "middle" or "end"
-- @treturn string text
-- @treturn int the columns it takes
function text.fit(s, room, where)
  local width = text.width(s)
  if not room or width <= room then return text.harmless(s), width end
  local pieces, widths = pieces_of(s)
  local half = where == "end" and room - 1 or floor(room / 2)
  local head, used = take(pieces, widths, 1, 1, half)
  local tail, rest = {}, 0
  if where ~= "end" then tail, rest = take(pieces, widths, #pieces, -1, room - 1 - used) end
  return concat(head) .. ELLIPSIS .. concat(reverse(tail)), used + 1 + rest
end

-- As much of a word as fits, at least one piece, and the rest of it.
local function chop(word, room)
  local pieces, widths = pieces_of(word)
  local head = take(pieces, widths, 1, 1, room)
  if #head == 0 then head[1] = pieces[1] end
  local taken = concat(head)
  return taken, sub(word, #taken + 1)
end

--- Harmless text in lines, broken at spaces where that is possible.
-- @tparam string s
-- @tparam ?int room columns of a line; nil: all in one
-- @treturn {string,...} at least one line
function text.wrap(s, room)
  s = text.harmless(s)
  if not room or text.width(s) <= room then return { s } end
  local out, line, used = {}, "", 0
  for word in gmatch(s, " *[^ ]+") do
    if used > 0 and used + text.width(word) > room then
      out[#out + 1] = line
      line, used, word = "", 0, gsub(word, "^ +", "")
    end
    while text.width(word) > room do
      out[#out + 1], word = chop(word, room)
    end
    line, used = line .. word, used + text.width(word)
  end
  out[#out + 1] = line
  return out
end

return text
