--- Colour by status, for a terminal.
-- @module rcpt.cli.color
local color = {}

local CODES = {
  deliverable = "32", risky = "33", undeliverable = "31", unknown = "36",
  valid = "32", invalid = "31", passed = "32", quiet = "2", strong = "1",
}

--- @tparam boolean wanted
-- @treturn function(text, name) the text in the colour of that name; as it is where colour is not
--   wanted or the name has none
function color.painter(wanted)
  return function(text, name)
    local code = wanted and CODES[name]
    return code and ("\27[" .. code .. "m" .. text .. "\27[0m") or text
  end
end

return color
