-- DNS messages in octets (RFC 1035): questions read, records and answers written.
--
-- Writes what a script says, broken things too; reads no more of a message than its question and
-- the size an OPT record offers.
-- SPDX-License-Identifier: MIT
-- luacheck: std lua54
local record = {}

local NUMBERS = {
  A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, MX = 15, TXT = 16, AAAA = 28, SRV = 33, OPT = 41,
  TLSA = 52, ANY = 255,
}
local NAMES = {}
for name, number in pairs(NUMBERS) do
  NAMES[number] = name
end

local function pack_name(name)
  local out = {}
  for label in name:gmatch "[^.]+" do
    out[#out + 1] = string.pack("s1", label)
  end
  return table.concat(out) .. "\0"
end

local function pack_ipv4(text)
  local a, b, c, d = text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  assert(a, "not an IPv4 address: " .. text)
  return string.char(a, b, c, d)
end

local function pack_ipv6(text)
  local dotted = text:match "[%d.]+$"
  if dotted and dotted:find(".", 1, true) then
    local high, low = string.unpack(">I2I2", pack_ipv4(dotted))
    text = text:sub(1, -#dotted - 1) .. ("%x:%x"):format(high, low)
  end
  local function groups(part)
    local out = {}
    for group in part:gmatch "[^:]+" do
      out[#out + 1] = string.pack(">I2", tonumber(group, 16))
    end
    return table.concat(out)
  end
  local head, tail = text:match "^(.-)::(.*)$"
  head, tail = groups(head or text), groups(tail or "")
  assert(#head + #tail <= 16, "not an IPv6 address: " .. text)
  return head .. ("\0"):rep(16 - #head - #tail) .. tail
end

local function pack_text(value)
  local out = {}
  for _, text in ipairs(type(value) == "table" and value or { value }) do
    repeat -- a character string holds 255 octets: longer text is several
      out[#out + 1] = string.pack("s1", text:sub(1, 255))
      text = text:sub(256)
    until text == ""
  end
  return table.concat(out)
end

local DATA = {
  A = pack_ipv4,
  AAAA = pack_ipv6,
  TXT = pack_text,
  NS = pack_name,
  CNAME = pack_name,
  PTR = pack_name,
  MX = function(mx) return string.pack(">I2", mx[1]) .. pack_name(mx[2]) end,
}

--- One record. `value` as a script writes it; { rdata = octets } goes out as it is.
function record.one(owner, kind, value, ttl)
  local data
  if type(value) == "table" then
    ttl = value.ttl or ttl
    data = value.rdata
    if not data and kind ~= "MX" and kind ~= "TXT" then
      value = value[1]
    end
  end
  return { owner = owner, type = kind, ttl = ttl or 300, data = data or DATA[kind](value) }
end

--- All records of a type in a name's entry.
function record.all(owner, kind, entry)
  local out = {}
  local values = entry[kind]
  if values and (DATA[kind] or type(values) == "table") then
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      out[#out + 1] = record.one(owner, kind, value, entry.ttl)
    end
  end
  return out
end

--- The SOA a denial is sent with (RFC 2308): its own TTL, and MINIMUM.
function record.soa(apex, ttl, minimum)
  return {
    owner = apex, type = "SOA", ttl = ttl,
    data = pack_name("ns." .. apex) .. pack_name("hostmaster." .. apex)
      .. string.pack(">I4I4I4I4I4", 1, 7200, 3600, 86400, minimum),
  }
end

--- The question of a message: id, name (as asked, upper case kept), type, its octets, and the
-- largest answer it takes over UDP. nil for what is no question.
function record.question(message)
  if #message < 17 then
    return nil
  end
  local id, flags, count, _, _, additional = string.unpack(">I2I2I2I2I2I2", message)
  if flags & 0x8000 ~= 0 or count ~= 1 then
    return nil
  end
  local labels, at = {}, 13
  while true do
    local size = message:byte(at)
    if not size or size > 63 or at + size > #message then
      return nil
    end
    if size == 0 then
      break
    end
    labels[#labels + 1] = message:sub(at + 1, at + size)
    at = at + size + 1
  end
  if at + 4 > #message then
    return nil
  end
  local number = string.unpack(">I2", message, at + 1)
  local size = 512
  if additional > 0 and #message >= at + 15 and message:byte(at + 5) == 0 then
    local kind, offered = string.unpack(">I2I2", message, at + 6)
    if kind == NUMBERS.OPT then
      size = math.max(512, offered)
    end
  end
  return {
    id = id, flags = flags, name = table.concat(labels, "."), type = NAMES[number] or "TYPE" .. number,
    octets = message:sub(13, at + 4), size = size,
  }
end

local function pack_record(question, rr)
  local owner = rr.owner == question.name and "\xc0\x0c" or pack_name(rr.owner)
  return owner .. string.pack(">I2I2I4s2", NUMBERS[rr.type], 1, rr.ttl, rr.data)
end

--- A whole answer: authoritative, recursion as asked.
function record.message(question, id, rcode, truncated, answers, authority)
  local flags = 0x8480 | (question.flags & 0x0100) | (truncated and 0x0200 or 0) | rcode
  local out = { string.pack(">I2I2I2I2I2I2", id, flags, 1, #answers, #authority, 0), question.octets }
  for _, list in ipairs { answers, authority } do
    for _, rr in ipairs(list) do
      out[#out + 1] = pack_record(question, rr)
    end
  end
  return table.concat(out)
end

return record
