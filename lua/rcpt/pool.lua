--- Sessions with mail hosts, and questions put to them.
-- Each question has a session of its own now: opened, asked, left. Who asks does not know that.
-- @module rcpt.pool
local core = require "rcpt.core"
local pool = {}

-- How a question may end without a reply and still say something of the peer: our time was over, or the
-- session ended between being ready and being asked.
local IS_OF_PEER = { timeout = true, closed = true }

--- Ask one host. May yield.
-- @tparam table probe who asks; waits and is cancelled as the probe
-- @tparam table target `{host=, addresses={...}}`
-- @tparam table identity what the core's `open` is told: helo, sender, sources, patiences (`options.open`)
-- @tparam ?string recipient nil: only greet
-- @tparam number until_ when to give up
-- @treturn ?table the evidence: `{host=, ip=, port=, source=, stage=, error=, replies={...}, transcript=}`; or nil,
--   message, code
-- @treturn ?table|boolean the reply to RCPT, or to MAIL where that was refused; false where none came
function pool.ask(probe, target, identity, recipient, until_)
  identity.to, identity.deadline = target.addresses, until_ - core.now()
  local session, message, code = probe:await(probe.hub.engine:open(identity))
  if not session then return nil, message, code end
  local reply, late = false, nil
  if recipient and session:ready() then
    reply, message, code = probe:await(session:rcpt(recipient, until_ - core.now()))
    if reply == nil then
      if not IS_OF_PEER[code] or probe.gone then
        session:quit()
        return nil, message, code
      end
      reply, late = false, code
    end
  end
  local evidence = session:evidence()
  session:quit()
  evidence.host, evidence.error, evidence.err = target.host, evidence.err or late, nil
  return evidence, reply
end

return pool
