-- doc/verdicts.md from the tables of lua/rcpt/verdict.lua:
--   lua5.4 check/verdicts.lua > doc/verdicts.md
-- It needs no built module; a spec compares the file with what this prints.
package.path = "./lua/?.lua;./lua/?/init.lua;" .. package.path
package.loaded["rcpt.core"] = package.loaded["rcpt.core"] or {}
local verdict = require "rcpt.verdict"

local out = {}
local function line(text, ...) out[#out + 1] = select("#", ...) > 0 and text:format(...) or text end

line [[
# Verdicts

Made from `lua/rcpt/verdict.lua` by `lua5.4 check/verdicts.lua`; change it there.

Every question that could be asked has a verdict. Its `status` is one of four:

| status | means |
|---|---|]]
for _, row in ipairs(verdict.STATUSES) do line("| `%s` | %s |", row[1], row[2]) end
line [[

Rules that stand above the table of reasons:

- A reply of the 4yz kind is never `undeliverable`, whatever its reason: `mailbox_unknown` with code 450 is `unknown`.
- A refusal about us (our address, names, sender, rate, TLS) is never held against the mailbox.
- A refusal before RCPT is never about the mailbox.
- Below level `rcpt` a success is `unknown`, `not_asked`, `passed = true`, and `stage` is the level.
- A host that is dead, refuses at greeting, EHLO or HELO, answers 4yz to MAIL or RCPT, or says that it is not
  responsible (`relay_denied`) is not the last word: the next one is asked. Where none decides, the verdict tells of
  the one that got deepest; of one stage, a reply tells more than silence; else the one asked first.
- A host that knows the mailbox and does not take mail for it now (4yz: `mailbox_full`, `receiving_too_fast`,
  `mailbox_restricted`, `mailbox_disabled`) is believed: what a later host denies does not make the address
  undeliverable.
- A host that accepts after one of better preference answered without deciding makes the address `risky`
  (`accepted`, `diagnosis = "backup_host"`). A better host that is dead does not.
- `catch_all` and what else is not asked for in this version is nil.

## Reasons

`about` says whom a reason speaks of. Reasons are covered by the version; texts of servers are not.

| reason | status | about | means | evidence |
|---|---|---|---|---|]]
for _, row in ipairs(verdict.REASONS) do
  line("| `%s` | %s | %s | %s | %s |", row[1], row[2], row[3], row[4], row[5])
end
line [[

A user's own reasons begin with `x_`.

## Fields

| field | type | holds |
|---|---|---|]]
for _, row in ipairs(verdict.FIELDS) do line("| `%s` | `%s` | %s |", row[1], row[2], row[3]) end
line [[

Each entry of `evidence` has `host`; what was asked has `ip`, `port`, `source`, `stage`, `reason`, `replies` (each with
`stage`, `code`, `enhanced`, `text`: those of the opening and of the question) and, where the connection was lost,
`error`; `tls` as in the verdict, `tls_why` where a handshake failed, `vrfy`. A host that was not asked has
`error`: `missing` (no address), `not_public` (only addresses no public server can have), `is_ip` (an IP address instead
of a name), or what the DNS answered.]]

local text = table.concat(out, "\n") .. "\n"
if arg and arg[0] and arg[0]:find("verdicts.lua", 1, true) then io.write(text) end
return text
