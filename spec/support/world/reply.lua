-- What a reply in a script is: which one is meant, its steps, the octets of its lines, and whether
-- it says yes. Nothing is sent here: world/smtp.lua carries the steps out.
-- SPDX-License-Identifier: MIT
-- luacheck: std lua54
local reply = {}

--- The names of steps, in the order those of one table are carried out.
reply.STEPS = { "wait", "silence", "raw", "torn", "flood", "close", "reset", "sequence" }

-- Is it one step, and not a map of replies?
local function is_step(spec)
  for _, name in ipairs(reply.STEPS) do
    if spec[name] ~= nil then
      return true
    end
  end
  return false
end

--- What a script says about a command with an argument: `spec` may be a reply, or a map of them by
-- whole address, "*@domain", "*".
function reply.pick(spec, key)
  if type(spec) ~= "table" or spec[1] ~= nil or is_step(spec) then
    return spec
  end
  local domain = key and key:match "@([^@]*)$"
  return spec[key or ""] or (domain and spec["*@" .. domain]) or spec["*"]
end

--- The steps of a reply as a list.
function reply.steps(spec)
  if type(spec) ~= "table" or is_step(spec) then
    return { spec }
  end
  return spec
end

--- A line is sent as it stands; one with line feeds becomes a reply of several lines.
function reply.lines(text)
  local code, rest = text:match "^(%d%d%d)[ -](.*\n.*)$"
  if not code then
    return text .. "\r\n"
  end
  local out = {}
  for line in (rest .. "\n"):gmatch "(.-)\n" do
    out[#out + 1] = line:gsub("^" .. code .. "[ -]", "")
  end
  for i, line in ipairs(out) do
    out[i] = code .. (i < #out and "-" or " ") .. line .. "\r\n"
  end
  return table.concat(out)
end

-- What a step says, "" for one that says nothing.
local function text_of(step)
  return type(step) == "string" and step or step.torn or step.raw or ""
end

--- The text of all steps together.
function reply.text(steps)
  local out = {}
  for i, step in ipairs(steps) do
    out[i] = text_of(step)
  end
  return table.concat(out, "\n")
end

--- Did it accept? The state of the dialogue follows what was really said last.
function reply.accepts(steps)
  for i = #steps, 1, -1 do
    local text = text_of(steps[i])
    if text ~= "" then
      return text:sub(1, 1) == "2"
    end
  end
  return false
end

--- An EHLO reply without the offer of STARTTLS.
function reply.without_starttls(text)
  text = text:gsub("\n%d*[ -]?STARTTLS%f[\n\0]", "")
  return text:find("\n", 1, true) and text or (text:gsub("^(%d%d%d)-", "%1 "))
end

return reply
