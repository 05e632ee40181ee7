--- A validator: an identity, options, and the pipeline that answers about an address.
-- @classmod rcpt.validator
local Call = require "rcpt.call"
local core = require "rcpt.core"
local drivers = require "rcpt.drivers"
local each = require "rcpt.each"
local evidence = require "rcpt.evidence"
local hubs = require "rcpt.hub"
local identities = require "rcpt.identity"
local options = require "rcpt.options"
local pool = require "rcpt.pool"
local probes = require "rcpt.probe"
local route = require "rcpt.route"
local verdicts = require "rcpt.verdict"
local error, format, next, setmetatable, type = error, string.format, next, setmetatable, type
local parse = core.parse
local Validator = {}
Validator.__index = Validator
local validator = {}

-- ---- the pipeline: each step works on the probe and gives true, or nil, message, code ----------------------------

-- parse: is it an address at all?
local function read(probe)
  local parsed, message, code = parse(probe.address, probe.options.parse)
  if not parsed then return nil, message, code end
  probe.parsed = parsed
  if not parsed.valid then
    probe:conclude("syntax", parsed.reason)
  elseif probe.options.level == "syntax" then
    probe:conclude("not_asked")
  end
  return true
end

-- What goes on the wire: ASCII where the address can be written so.
local function recipient_of(parsed)
  return parsed.ascii or parsed["local"] .. "@" .. parsed.domain
end

-- One host that could be asked was found. True when that was the question.
local function is_dns_enough(probe)
  if probe.options.level ~= "dns" then return false end
  probe:conclude("not_asked")
  return true
end

local function decide(probe, entry, reply)
  probe.entry, probe.reply, probe.stage = entry, reply, entry.stage
  if entry.reason ~= "not_asked" then
    probe:conclude(entry.reason, entry.error)
  else
    probe.stage = "connect"
    probe:conclude("not_asked")
  end
end

-- A yes of a host while a better one answered and did not decide is half a yes.
local function weigh(probe, mx, undecided)
  if probe.reason == "accepted" and undecided and undecided < mx.preference then probe.diagnosis = "backup_host" end
end

-- As whom it is asked. A hook's mistake costs its own probe.
local function identify(probe)
  local identity, fault = identities.choose(probe)
  if probe.gone then return probe:gone_as() end
  if identity then
    probe.identity = identity
  else
    probe.hook = "identity"
    probe:conclude("hook_failed", fault)
  end
  return true
end

-- What a host says of a mailbox that is there, where it does not decide (4yz): another host's no does not outweigh it.
local IS_WITNESS = {
  mailbox_full = true, receiving_too_fast = true, mailbox_restricted = true, mailbox_disabled = true,
}

-- Ask one host. Gives its evidence, the reply that decided and whether it is definite; or nil, message, code.
local function ask_one(probe, mx, addresses)
  local level = probe.options.level
  local recipient = level == "rcpt" and recipient_of(probe.parsed) or nil
  local entry, reply, code = pool.ask(probe, { host = mx.host, addresses = addresses }, probe.identity, recipient,
    probe.until_)
  if not entry then return nil, reply, code end
  local is_definite
  is_definite, reply = evidence.judge(entry, reply, level)
  return entry, reply, is_definite
end

-- Did every host of the domain say the same?
local function is_unanimous(probe)
  local list = probe.evidence
  for i = 2, #list do
    if list[i].reason ~= list[1].reason then return false end
  end
  return #list == #probe.mx
end

-- Nobody decided: the most telling of what was seen. That some hosts cannot tell is never held against the address.
local function settle_for(probe, best, best_reply, skipped, is_partial)
  if best then
    decide(probe, best, best_reply)
    probe.is_unsure = probe.options.level ~= "rcpt" or not is_unanimous(probe)
  else
    route.conclude_none(probe, skipped, is_partial or #skipped < #probe.mx)
  end
end

-- route and question: host by host in the order of preference, until one decides.
local function walk(probe)
  local list, skipped, tried = {}, {}, 0
  local best, best_reply, undecided, witness, witness_reply
  local n, is_partial = route.reach(probe)
  probe.evidence = list
  for i = 1, n do
    local mx = probe.mx[i]
    local addresses, why, code = route.addresses(probe, mx)
    if addresses == nil then return nil, why, code end
    if not addresses then
      skipped[#skipped + 1] = { why = why, may_change = code }
      list[#list + 1] = { host = mx.host, error = why, stage = "dns", replies = {} }
    else
      if is_dns_enough(probe) then return true end
      local entry, reply, is_definite = ask_one(probe, mx, addresses)
      if not entry then return nil, reply, is_definite end
      list[#list + 1] = entry
      if is_definite then
        if witness and verdicts.status(entry.reason, reply and reply.code) == "undeliverable" then
          entry, reply = witness, witness_reply
        end
        decide(probe, entry, reply)
        weigh(probe, mx, undecided)
        return true
      end
      if not witness and reply and reply.stage == "rcpt" and IS_WITNESS[entry.reason] then
        witness, witness_reply = entry, reply
      end
      if reply and not undecided then undecided = mx.preference end
      if not best or evidence.tells_more(entry, reply, best, best_reply) then best, best_reply = entry, reply end
      tried = tried + 1
    end
    if tried == probe.options.max_hosts or probe:is_late() then break end
  end
  settle_for(probe, best, best_reply, skipped, is_partial)
  return true
end

local STEPS = { read, route.find, identify, walk }

local function ask(probe)
  if probe.gone then return probe:gone_as() end
  for i = 1, #STEPS do
    local ok, message, code = STEPS[i](probe)
    if not ok then return nil, message, code end
    if probe.reason then break end
  end
  return evidence.verdict(probe)
end

-- ---- the door -----------------------------------------------------------------------------------------------------

local function check_address(address, level)
  if type(address) ~= "string" then
    error(format("an address must be a string, not a %s", type(address)), level + 1)
  end
end

-- The options of one question.
local function options_for(self, given, level)
  if given == nil then return self.options end
  local checked = options.check(given, self.options, level + 1) -- no tail call: the level counts frames
  return checked
end

-- A probe in the validator's books; or nil, message, code.
local function open_probe(self, address, checked)
  if self.is_closed then return nil, "the validator is closed", "closed" end
  local hub, message, code = hubs.get()
  if not hub then return nil, message, code end
  local resolver = self.resolver
  if self.hub ~= hub or checked.nameservers ~= self.options.nameservers then
    resolver, message, code = hub:resolver(checked.nameservers)
    if not resolver then return nil, message, code end
    if checked.nameservers == self.options.nameservers then self.hub, self.resolver = hub, resolver end
  end
  local probe = probes.new(address, checked, hub, drivers.choose(checked.driver), resolver, self)
  self.probes[probe] = true
  pool.of(hub):enter(probe)
  return probe
end

local function close_probe(self, probe, ...)
  self.probes[probe] = nil
  pool.of(probe.hub):leave(probe)
  return ...
end

--- A validator of options that were checked already.
-- @tparam table checked
-- @treturn Validator
function validator.with(checked)
  return setmetatable({
    options = checked, is_closed = false, hub = false, resolver = false, probes = setmetatable({}, { __mode = "k" }),
  }, Validator)
end

--- A validator. Cheap enough for every request: the engine and the resolver's cache are shared in the process.
-- @tparam table given options, see the README
-- @treturn Validator
-- @raise on an unknown option, a wrong type, a value out of range, a helo or sender that is missing
function validator.new(given)
  return validator.with(options.check(given, nil, 2))
end

--- Ask about one address; blocks only the calling coroutine. May yield.
-- @tparam string address
-- @tparam ?table given options for this question alone
-- @treturn ?table the verdict; or nil, message, code where the question could not be asked
-- @treturn ?string message
-- @treturn ?string code
-- @raise when the address is no string, or on a wrong option
function Validator:validate(address, given)
  check_address(address, 2)
  local checked = options_for(self, given, 2)
  local probe, message, code = open_probe(self, address, checked)
  if not probe then return nil, message, code end
  return close_probe(self, probe, ask(probe))
end

--- Ask about one address in a coroutine of its own. Does not wait.
-- @tparam string address
-- @tparam ?table given options for this question alone
-- @treturn ?Call `call:wait()` and `call:cancel()`; or nil, message, code
-- @treturn ?string message
-- @treturn ?string code
-- @raise as `validate`
function Validator:start(address, given)
  check_address(address, 2)
  local checked = options_for(self, given, 2)
  local probe, message, code = open_probe(self, address, checked)
  if not probe then return nil, message, code end
  return Call.start(probe, function() return close_probe(self, probe, ask(probe)) end)
end

--- Ask about many addresses; an iterator over the verdicts as they come, in any order.
-- The next address is taken from the source only when fewer than `concurrency` are on the way or waiting to be
-- handed over. A question that could not be asked comes as `false, message, code, address`. Leaving the
-- loop early gives up what is under way (on LuaJIT once the iterator is collected, or with `close()`).
-- @tparam function|table source a list of addresses, or an iterator function that gives them and nil at the end; it may
--   yield
-- @tparam ?table given options for these questions alone
-- @treturn function for a generic `for`; each call may yield
-- @raise as `validate`; in the loop: what the source raised, or that it gave something other than a string
function Validator:each(source, given)
  if type(source) ~= "function" and type(source) ~= "table" then
    error(format("each wants a list or an iterator function, not a %s", type(source)), 2)
  end
  local checked = options_for(self, given, 2)
  return each.over(source, checked, function(address) return open_probe(self, address, checked) end,
    function(probe) return close_probe(self, probe, ask(probe)) end)
end

--- Give up this validator's questions and leave the sessions it kept; later questions are answered nil, message,
-- "closed". The engine goes on: others share it. Twice is nothing.
function Validator:close()
  self.is_closed = true
  for probe in next, self.probes do probe:give_up("closed") end
  local hub = self.hub
  if hub and hub == hubs.current() then pool.of(hub):dismiss(self) end
end

Validator.__close = Validator.close

return validator
