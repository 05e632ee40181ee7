-- Draws doc/dialogue.md from the table in src/wire/client.c.
--   lua check/dialogue.lua write    rewrites the file
-- Loaded by a spec, it returns the text instead.
local core = require "rcpt.core"
local classes = { "2yz", "3yz", "4yz", "5yz", "421" }

local function draw()
  local out = { [[
# The dialogue

What the probe says to a mail server, and where each reply leads: the table of `src/wire/client.c`, drawn by
`lua check/dialogue.lua write`. A row is a state; *says* is sent on entering it. `end` means the server will not go
on, `answer` that the question has its answer, `ready` that questions may be asked. In `idle` the carrier asks: `rset`
when a transaction is open, else `mail`; or it quits. A reply that nobody waits for is read by the row of `idle`.
`knock` is the greeting at level "connect". The reply to QUIT is not awaited.
]] }
  out[#out + 1] = "| state | says | on 2yz | on 3yz | on 4yz | on 5yz | on 421 |"
  out[#out + 1] = "|---|---|---|---|---|---|---|"
  for _, row in ipairs(core.dialogue()) do
    local cells = { row.state, row.says ~= "" and "`" .. row.says .. "`" or "" }
    for _, class in ipairs(classes) do
      local cell = row.on[class]
      local heard = cell.heard ~= "nothing" and ", " .. cell.heard or ""
      cells[#cells + 1] = cell.to == "" and "" or ("%s%s: %s"):format(cell.to, heard, cell.why)
    end
    out[#out + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  return table.concat(out, "\n") .. "\n"
end

if arg and arg[0] and arg[0]:match("check/dialogue%.lua$") and arg[1] == "write" then
  local file = assert(io.open("doc/dialogue.md", "wb"))
  file:write(draw())
  file:close()
end
return draw()
