-- Draws doc/dialogue.md from the table in src/wire/dialogue.c.
--   lua check/dialogue.lua write    rewrites the file
-- Loaded by a spec, it returns the text instead.
local core = require "rcpt.core"
local classes = { "2yz", "3yz", "4yz", "5yz", "421", "full" }

local function draw()
  local out = { [[
# The dialogue

What the probe says to a mail server, and where each reply leads: the table of `src/wire/dialogue.c`, drawn by
`lua check/dialogue.lua write`. A row is a state; *says* is sent on entering it. `end` means the server will not go
on, `answer` that the question has its answer, `ready` that questions may be asked.

- In `idle` the carrier asks, or quits. RCPT is asked in the open transaction (`more`) when its domain and its need of
  SMTPUTF8 are the same, the sender is not the null sender, and fewer than 50 recipients (or `LIMITS RCPTMAX`) were
  asked in it; else by way of `rset` when a transaction is open, `mail` when none is. VRFY is asked by `vrfy`, and only
  where EHLO offers it.
- With PIPELINING what is named under *ahead* is said in the same breath; each reply is still read by its own row. A
  `mail` that is refused with RCPT said behind it is the answer, and leads to `spoilt` instead of `idle`.
- `full` is 452, 503, x.5.3 or "too many recipients" in reply to a further recipient; the question is asked again, once,
  in a transaction of its own.
- Where `ready` is heard in the clear and TLS is wanted (may, require), `starttls` comes first if it is offered; where
  TLS is required and not offered, or refused, QUIT is said instead. In `secure` the carrier shakes hands; bytes behind
  the 220 are thrown away, and all that was learnt is forgotten when `ehlo` is said again.
- A reply that nobody waits for, or that comes before its command has gone, is read by the row of `idle`. `knock` is
  the greeting at level "connect". The reply to QUIT is not awaited.
]] }
  out[#out + 1] = "| state | says | ahead | on 2yz | on 3yz | on 4yz | on 5yz | on 421 | full |"
  out[#out + 1] = "|---|---|---|---|---|---|---|---|---|"
  for _, row in ipairs(core.dialogue()) do
    local cells = { row.state, row.says ~= "" and "`" .. row.says .. "`" or "", row.ahead }
    for _, class in ipairs(classes) do
      local cell = row.on[class]
      local heard = cell.heard ~= "nothing" and cell.heard ~= "reply" and ", " .. cell.heard or ""
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
