--- A verdict, shown: as a line of JSON, as a row of a table, as a card with its evidence.
-- @module rcpt.cli.verdict
local card = require "rcpt.cli.card"
local json = require "rcpt.cli.json"
local reasons = require("rcpt.verdict").REASONS
local concat, format, ipairs, setmetatable = table.concat, string.format, ipairs, setmetatable
local show = {}

-- The members in order, as doc/verdicts.md has them; absent ones are null, but a transcript is only
-- there when it was asked for.
local OF = {
  mx = { list = true, { "host", "preference", "implicit" } },
  reply = { "code", "enhanced", "text", "stage", whole = true },
  vrfy = { "code", "enhanced", "text", "stage", whole = true },
  flags = { "role", "disposable", "free", list = false },
  tls = { "version", "cipher", "verified", "why", whole = true },
  identity = { "name", "helo", "sender", "source", "proxy", "preflight", list = false },
}
OF.evidence = { list = true, {
  "host", "ip", "port", "source", "stage", "reason", "error", "replies", "tls", "tls_why", "vrfy", "proxied",
  of = { tls = OF.tls, vrfy = OF.vrfy,
    replies = { list = true, { "stage", "code", "enhanced", "text", "cut", whole = true } } },
} }
local MEMBERS = {
  "address", "status", "reason", "passed", "stage", "level", "diagnosis", "position", "normalized", "ascii", "local",
  "domain", "mx", "host", "ip", "port", "reply", "catch_all", "flags", "suggestion", "confidence", "retry_after",
  "valid_until", "tls", "identity", "hook", "cached", "elapsed", "vrfy", "evidence", whole = true, of = OF,
}
local EMPTY = { mx = {}, flags = {}, evidence = {} }

--- @tparam table verdict
-- @treturn string one line, valid UTF-8
function show.json(verdict)
  return json.encode(setmetatable({ transcript = verdict.transcript }, {
    __index = function(_, name)
      local value = verdict[name]
      if value == nil then value = EMPTY[name] end
      return value
    end,
  }), MEMBERS)
end

local function join(...)
  local out = {}
  for _, part in ipairs { ... } do
    if part ~= "" then out[#out + 1] = part end
  end
  return concat(out, " ")
end

-- A reply's text may begin with the enhanced code already; several lines stay several lines.
local function text_of(reply)
  local text, enhanced = reply.text or "", reply.enhanced or ""
  if enhanced ~= "" and text:sub(1, #enhanced + 1) == enhanced .. " " then enhanced = "" end
  return join(format("%d", reply.code), enhanced, text)
end

local function flat(s)
  return (s:gsub("[\r\n]+", " "))
end

local function reply_of(verdict)
  return verdict.reply and text_of(verdict.reply) or ""
end

local function fault_of(verdict)
  if not verdict.diagnosis then return "" end
  return verdict.position and format("%s at byte %d", verdict.diagnosis, verdict.position) or verdict.diagnosis
end

--- The columns of a table of verdicts.
show.columns = {
  { name = "address", weight = 4, cut = "middle" },
  { name = "status", width = 13 },
  { name = "reason", width = 16, cut = "end" },
  { name = "what was seen", weight = 3, cut = "end" },
}

-- Success at a lower level is "unknown" to a program; to people it is what they asked for.
local function name_of(verdict)
  return verdict.passed and verdict.status == "unknown" and "passed" or verdict.status
end

local MEANS = {}
for _, row in ipairs(reasons) do MEANS[row[1]] = row[4] end

--- @tparam table verdict
-- @treturn {string,...} a cell for each column; the second is also the name of the row's colour
function show.cells(verdict)
  local seen = fault_of(verdict)
  if seen == "" then
    local reply, host = reply_of(verdict), verdict.host or ""
    seen = flat(reply .. (reply ~= "" and host ~= "" and ", " or "") .. host)
  end
  return { verdict.address, name_of(verdict), verdict.reason, seen }
end

local function bare(sender)
  return (sender:gsub("^<(.*)>$", "%1"))
end

local function tls_of(tls)
  if not tls.version then return "none: " .. (tls.why or "it failed") end
  local trust = tls.verified and "verified" or "not verified" .. (tls.why and ": " .. tls.why or "")
  return join(tls.version, tls.cipher or "", "(" .. trust .. ")")
end

-- The facts of a card: name and how it is told; what is empty is left out.
local TOLD = {
  { "meaning", function(v) return MEANS[v.reason] end },
  { "diagnosis", fault_of },
  { "taken as", function(v) return v.normalized ~= v.address and v.normalized end },
  { "in ASCII", function(v) return v.ascii ~= v.normalized and v.ascii end },
  { "mail hosts", function(v)
    local hosts = {}
    for i, mx in ipairs(v.mx or {}) do
      hosts[i] = mx.implicit and mx.host .. " (without MX)" or format("%d %s", mx.preference or 0, mx.host)
    end
    return concat(hosts, "\n")
  end },
  { "seen before", function(v)
    local seen = {}
    for i, entry in ipairs(v.evidence or {}) do
      if i < #v.evidence or entry.host ~= v.host then
        local last = entry.replies and entry.replies[#entry.replies]
        seen[#seen + 1] = flat(join(entry.host .. ":", entry.error or entry.reason or "", last and text_of(last) or ""))
      end
    end
    return concat(seen, "\n")
  end },
  { "asked", function(v)
    return v.host and join(v.host, v.ip and format("(%s, port %d)", v.ip, v.port or 25) or "")
  end },
  { "reply", reply_of },
  { "VRFY", function(v) return v.vrfy and v.vrfy.stage ~= (v.reply or {}).stage and text_of(v.vrfy) end },
  { "stage", function(v) return v.stage end },
  { "TLS", function(v) return v.tls and tls_of(v.tls) end },
  { "catch-all", function(v) return v.catch_all ~= nil and (v.catch_all and "yes" or "no") end },
  { "we were", function(v)
    local who = v.identity or {}
    local said = v.level == "rcpt" and join(who.helo or "", who.sender and "<" .. bare(who.sender) .. ">" or "") or ""
    return join(who.name and who.name .. ":" or "", said, who.source and "from " .. who.source or "",
      who.proxy and "through " .. who.proxy or "")
  end },
  { "try again", function(v) return v.retry_after and format("in %d s", v.retry_after) end },
  { "took", function(v) return v.elapsed and format("%.3f s", v.elapsed) end },
  { "transcript", function(v) return v.transcript end },
}

--- @tparam table verdict
-- @tparam table view see `rcpt.cli.term`
-- @tparam function(text,name) paint
-- @treturn {string,...} lines
function show.card(verdict, view, paint)
  local name = name_of(verdict)
  local facts = { { "verdict", name .. ": " .. verdict.reason, name } }
  for _, row in ipairs(TOLD) do
    local value = row[2](verdict)
    if value and value ~= "" then facts[#facts + 1] = { row[1], value } end
  end
  return card.lines(verdict.address, facts, view.width, paint)
end

return show
