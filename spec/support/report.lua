--- busted's output for this project: a line a spec file, failures in full, the sum to a file.
-- The sum goes to the file named by RCPT_COUNTS ("passed failed"), for check/test.sh. Under CI=true
-- a spec that was left out counts as failed: a missing dependency would hide there.
local system = require "system"
local monotime, strict = system.monotime, os.getenv("CI") == "true"

return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()
  local file, suite = nil, { passed = 0, failed = 0, pending = 0 }

  local function say(...)
    io.write(...)
    io.flush()
  end

  local function count(what)
    suite[what] = suite[what] + 1
    if file then file[what] = file[what] + 1 end
  end

  local function tell(element, _, message, trace)
    trace = trace or element.trace
    local text = type(message) == "table" and (message.message or message[1]) or message
    say("\nFAILED ", handler.getFullName(element), "\n  ",
      trace and trace.short_src and (trace.short_src .. ":" .. trace.currentline) or "?", "\n  ",
      (tostring(text):gsub("\n", "\n  ")), "\n\n")
  end

  local on = {}

  function on.file_start(element)
    file = { name = element.name:gsub("^%./", ""), started = monotime(), passed = 0, failed = 0, pending = 0 }
  end

  function on.file_end()
    say(string.format("%-46s %5d passed%s%s  %.2f s\n", file.name, file.passed,
      file.failed > 0 and (", " .. file.failed .. " FAILED") or "",
      file.pending > 0 and (", " .. file.pending .. " left out") or "", monotime() - file.started))
    file = nil
  end

  function on.test_end(element, _, status)
    if status == "pending" then
      say("left out: ", handler.getFullName(element), "\n")
      count(strict and "failed" or "pending")
    else
      count(status == "success" and "passed" or "failed")
    end
  end

  -- An error outside a test (a file that does not load, a set-up that breaks) has no test_end.
  function on.error(element, parent, message, trace)
    if element.descriptor ~= "it" then count("failed") end
    tell(element, parent, message, trace)
  end

  function on.suite_end()
    say(string.format("%d passed, %d failed, %d left out\n", suite.passed, suite.failed, suite.pending))
    local path = os.getenv("RCPT_COUNTS")
    if path then
      local out = assert(io.open(path, "w"))
      out:write(suite.passed, " ", suite.failed, "\n")
      out:close()
    end
  end

  local function subscribe(event, act)
    busted.subscribe(event, function(...)
      act(...)
      return nil, true
    end)
  end
  subscribe({ "file", "start" }, on.file_start)
  subscribe({ "file", "end" }, on.file_end)
  subscribe({ "test", "end" }, on.test_end)
  subscribe({ "failure" }, on.error)
  subscribe({ "error" }, on.error)
  subscribe({ "suite", "end" }, on.suite_end)
  return handler
end
