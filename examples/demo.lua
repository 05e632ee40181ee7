-- The main job, shown: `make demo`, or lua5.4 examples/demo.lua [WORLD.lua].
--
-- Starts a small mail world on loopback (spec/support/world.lua, the fakes of the specs), asks
-- about all its addresses at once as any program would, prints the verdicts and one of them in
-- full. Ends with status 1 if a verdict is not the right one for this world, 3 if it could not run.
-- Nothing leaves the machine.
-- SPDX-License-Identifier: MIT
local root = arg[0]:match "^(.-)/?examples/[^/]*$" or ".."
if root == "" then
  root = "."
end
local build = root .. "/" .. (os.getenv "BUILD" or "build")
if (os.getenv "BUILD" or ""):sub(1, 1) == "/" then
  build = os.getenv "BUILD"
end
package.path = table.concat({ root .. "/lua/?.lua", root .. "/lua/?/init.lua", root .. "/?.lua", package.path }, ";")
package.cpath = build .. "/" .. _VERSION:match "%d.%d" .. "/?.so;" .. package.cpath

local rcpt = require "rcpt"
local core = require "rcpt.core"
local color = require "rcpt.cli.color"
local printer = require "rcpt.cli.table"
local show = require "rcpt.cli.verdict"
local term = require "rcpt.cli.term"
local World = require "spec.support.world"

local WIDTH = 80
local COLUMNS = {
  { name = "address", width = 25, cut = "middle" },
  { name = "status", width = 13 },
  { name = "reason", width = 16 },
  { name = "what was seen", weight = 1, cut = "end" },
}

local paint = color.painter(term.describe().colour)

local function say(format, ...)
  io.write(select("#", ...) > 0 and format:format(...) or format, "\n")
end

-- What a verdict rests on, in a few words.
local function seen(verdict)
  local reply = verdict.reply
  if reply then
    local codes = reply.enhanced and reply.code .. " " .. reply.enhanced or tostring(reply.code)
    return codes .. (reply.stage == "greeting" and " greeting" or " to " .. reply.stage:upper())
  elseif verdict.passed then
    return ("level %s passed"):format(verdict.stage)
  elseif verdict.reason == "timeout" then
    return ("%s, %.1f s"):format(verdict.stage, verdict.elapsed)
  end
  return verdict.diagnosis or "in " .. verdict.stage:upper()
end

-- Every question is on its way before the first answer is waited for.
local function ask_all(validator, rows)
  local calls, verdicts = {}, {}
  for i, row in ipairs(rows) do
    calls[i] = assert(validator:start(row[1], row.options))
  end
  for i, call in ipairs(calls) do
    verdicts[i] = assert(call:wait())
  end
  return verdicts
end

local function is_right(row, verdict)
  return verdict.status == row[2] and verdict.reason == row[3]
    and (not row.passed or verdict.passed == true) and (not row.host or verdict.host == row.host)
end

local function print_table(rows, verdicts)
  local line = printer.new(COLUMNS, WIDTH, paint)
  say(paint(line(printer.head(COLUMNS)), "strong"))
  local wrong = 0
  for i, row in ipairs(rows) do
    local verdict = verdicts[i]
    say(line({ row[1], verdict.status, verdict.reason, seen(verdict) }, verdict.status))
    if not is_right(row, verdict) then
      wrong = wrong + 1
      say("  ^ not right: this world is made to give %s, %s", row[2], row[3])
    end
  end
  return wrong
end

local function all_closed(journal)
  local open = 0
  for _, event in ipairs(journal) do
    open = open + (event.kind == "connect" and 1 or event.kind == "close" and -1 or 0)
  end
  return open == 0
end

local function print_times(world, verdicts, elapsed)
  local sum = 0
  for _, verdict in ipairs(verdicts) do
    sum = sum + verdict.elapsed
  end
  say("%d questions at once took %.1f s; one after the other, %.1f s.", #verdicts, elapsed, sum)
  world:wait(all_closed, 2)
  say("The world's own journal has %d DNS questions and %d connections, with %d RCPT,",
    world:count "query", world:count "connect", world:count("line", "^RCPT"))
  say("%d QUIT and %d DATA.", world:count("line", "^QUIT"), world:count "DATA" + world:count "BDAT")
end

-- The whole show; how many verdicts were wrong.
local function run(world, demo)
  say(paint("A small mail world on loopback", "strong"))
  say("%d name server and %d mail hosts, scripted, in one process of this machine, on", #world.nameservers,
    #demo.script.hosts)
  say("unprivileged ports of 127.0.0.0/8. Nothing leaves the machine. A silent host is")
  say("given up after %d s here; the default is 20 s.\n", demo.patience)
  local validator = rcpt.new(world:options {
    transcript = true, connect_timeout = demo.patience, greeting_timeout = demo.patience,
    reply_timeout = demo.patience, dns_timeout = demo.patience,
  })
  local began = core.now()
  local verdicts = ask_all(validator, demo.rows)
  local elapsed = core.now() - began
  local wrong = print_table(demo.rows, verdicts)
  say("")
  print_times(world, verdicts, elapsed)
  for i, row in ipairs(demo.rows) do
    if row.shown then
      say("\n%s", paint("One verdict in full: the first mail host is dead, the second answers", "strong"))
      for _, text in ipairs(show.card(verdicts[i], { width = WIDTH }, paint)) do
        say(text)
      end
    end
  end
  validator:close()
  return wrong + world:count "DATA" + world:count "BDAT"
end

local demo = dofile(arg[1] or root .. "/examples/demo_world.lua")
local started, world = pcall(World.start, demo.script)
if not started then
  io.stderr:write("demo: ", tostring(world), "\ndemo: is all of `make deps` there?\n")
  os.exit(3)
end
local ok, wrong = xpcall(run, debug.traceback, world, demo)
world:stop()
if not ok then
  io.stderr:write("demo: ", wrong, "\n")
  os.exit(3)
end
if wrong > 0 then
  say("\n%d wrong: something is broken here.", wrong)
  os.exit(1)
end
say "\nTo ask about a real address, from a host with its own name and port 25 open:\n"
say "bin/rcpt validate --helo your.host.name --sender you@your.host.name someone@their.domain"
