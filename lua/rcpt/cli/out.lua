--- Standard output, written a line at a time, and the ways to stop.
-- A line is with its reader before the next question is asked. A reader that left ends the command
-- quietly, with the code a shell gives to SIGPIPE; any other failure to write is told.
-- @module rcpt.cli.out
local text = require "rcpt.cli.text"
local error, format, setmetatable, tostring, type = error, string.format, setmetatable, tostring, type
local stdout, stderr = io.stdout, io.stderr
local out = {}

--- Exit codes; doc/cli.md has them all.
out.code = { fine = 0, undeliverable = 1, usage = 2, failed = 3, unknown = 4, reader_left = 141 }

local stop = { __tostring = function(self) return self.message or ("exit " .. self.code) end }

--- End the command from anywhere below `main`.
-- @tparam int code
-- @tparam ?string message for standard error
-- @raise always
function out.stop(code, message)
  error(setmetatable({ code = code, message = message, [stop] = true }, stop), 0)
end

--- Was this raised by `out.stop`?
-- @param raised
-- @treturn boolean
function out.is_stop(raised)
  return type(raised) == "table" and raised[stop] == true
end

--- The command was called wrongly.
-- @tparam string template as for string.format
-- @raise always
function out.usage(template, ...)
  out.stop(out.code.usage, format(template, ...))
end

local function check(ok, message)
  if ok then return end
  if message == "Broken pipe" then out.stop(out.code.reader_left) end
  out.stop(out.code.failed, "cannot write: " .. tostring(message))
end

--- Write one line and hand it over.
-- @tparam string line without its end
function out.line(line)
  check(stdout:write(line, "\n"))
  check(stdout:flush())
end

--- Tell something on standard error, after the name of the program.
-- @tparam string message may have several lines; each is made harmless
function out.tell(message)
  stderr:write("rcpt: ", (message:gsub("[^\n]+", text.harmless)), "\n")
end

return out
