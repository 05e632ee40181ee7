--- Finds out whether an email address can receive mail, by asking the domain's own servers and sending nothing.
-- @module rcpt
local core = require "rcpt.core"
local hub = require "rcpt.hub"
local options = require "rcpt.options"
local plain = require "rcpt.driver.plain"
local validator = require "rcpt.validator"
local verdict = require "rcpt.verdict"
local version = require "rcpt.version"
local error, format, type = error, string.format, type
local rcpt = {}

--- The version of this module.
rcpt.VERSION = version

--- A validator, see `rcpt.validator`.
-- @function rcpt.new
-- @tparam table given options, see the README
-- @treturn Validator
rcpt.new = validator.new

--- Ask about one address, once. Blocks only the calling coroutine. May yield.
-- @tparam string address
-- @tparam table given options as for `rcpt.new`
-- @treturn ?table the verdict; or nil, message, code
-- @treturn ?string message
-- @treturn ?string code
-- @raise as `rcpt.new` and `validator:validate`
function rcpt.validate(address, given)
  if type(address) ~= "string" then error(format("an address must be a string, not a %s", type(address)), 2) end
  local one = validator.with(options.check(given, nil, 2))
  return one:validate(address)
end

--- Look at the syntax alone: no engine, no I/O.
-- @tparam string address
-- @tparam ?table given options: quoted, literal, smtputf8, display_name, single_label, special_use
-- @treturn table `{address=, valid=true, normalized=, ascii=, local=, domain=, ...}` or
--   `{address=, valid=false, reason=, position=}`
-- @raise when the address is no string, or on a wrong option
function rcpt.parse(address, given)
  if type(address) ~= "string" then error(format("an address must be a string, not a %s", type(address)), 2) end
  return core.parse(address, options.check_parse(given, 2))
end

--- What a reply means.
-- @tparam table reply `{code=, enhanced=, text=, stage=, mx=}`; stage defaults to "rcpt"
-- @treturn table `{reason=, about=, status=}`
-- @raise on a wrong type
function rcpt.classify(reply)
  if type(reply) ~= "table" then error(format("a reply must be a table, not a %s", type(reply)), 2) end
  return verdict.classify(reply)
end

local function the_hub()
  local one, message, code = hub.get()
  if not one then error(format("rcpt: %s (%s)", message, code), 3) end
  return one
end

local function check_function(fn)
  if type(fn) ~= "function" then error(format("a function is wanted, not a %s", type(fn)), 3) end
end

--- Run a function in plain Lua's own scheduler, and all it starts with `rcpt.spawn`, until they have ended.
-- @tparam function fn
-- @param ... its arguments
-- @return what fn returns
-- @raise what fn raised, with its traceback; else the first error of a spawned function or a started call that nobody
--   waited for
function rcpt.run(fn, ...)
  check_function(fn)
  return plain.run(the_hub(), fn, ...)
end

--- Start a function beside the running one, inside `rcpt.run`.
-- @tparam function fn
-- @param ... its arguments
-- @treturn table a task: `task:wait()` gives what fn returned, or raises what it raised
-- @raise outside of `rcpt.run`
function rcpt.spawn(fn, ...)
  check_function(fn)
  local task = plain.start(the_hub(), fn, ...)
  if not task then error("rcpt.spawn belongs inside rcpt.run", 2) end
  return task
end

--- The lines of a descriptor, waiting for them without blocking the others: for `validator:each`.
-- @tparam number fd 0 is standard input
-- @treturn function each call gives a line and whether it was cut (over 64 KiB); nil at the end; may yield
function rcpt.lines(fd)
  if type(fd) ~= "number" then error(format("a descriptor must be a number, not a %s", type(fd)), 2) end
  return the_hub():lines(fd)
end

return rcpt
