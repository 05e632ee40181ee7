--- `rcpt classify`: what replies of mail servers mean. Nothing is asked of anybody.
-- @module rcpt.cli.classify
local rcpt = require "rcpt"
local json = require "rcpt.cli.json"
local lines = require "rcpt.cli.lines"
local out = require "rcpt.cli.out"
local pcall, tostring, type = pcall, tostring, type
local classify = {
  summary = "tell what replies mean, read as JSON from standard input",
  notes = 'Each line there is an object {"code", "enhanced", "text", "stage", "mx"}; "enhanced" may be '
    .. 'null, "stage" is rcpt where it is absent. Each line of the answer is {"reason", "about", "status"}.',
  argument = "`-`, or nothing: standard input is read either way",
  groups = {},
}

local SHAPE = { "reason", "about", "status", whole = true }

local function understand(line)
  local reply, message = json.decode(line)
  if type(reply) ~= "table" then
    return nil, "not a JSON object" .. (message and ": " .. message or "")
  end
  reply = json.without_nulls(reply)
  if type(reply.code) ~= "number" then return nil, "'code' must be a number" end
  local ok, meaning = pcall(rcpt.classify, {
    code = reply.code, enhanced = reply.enhanced, text = reply.text, stage = reply.stage or "rcpt", mx = reply.mx,
  })
  if ok then return meaning end
  return nil, (tostring(meaning):gsub("^[^ ]*:%d+: ", ""))
end

--- @tparam {string,...} given nothing, or "-"
-- @treturn int the exit code
function classify.run(given)
  if #given > 1 or (given[1] and given[1] ~= "-") then
    out.usage("classify reads standard input; it takes no argument")
  end
  local bad = lines.complaints("classify")
  for line, number, is_cut in lines.raw() do
    local meaning, message
    if is_cut then message = "longer than 64 KiB" else meaning, message = understand(line) end
    if meaning then
      out.line(json.encode({ reason = meaning.reason, about = meaning.about, status = meaning.status }, SHAPE))
    else
      bad:add(number, message)
      out.line(json.encode({ error = message }, SHAPE))
    end
  end
  return bad:code()
end

return classify
