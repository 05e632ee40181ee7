--- One question on a session that is ours for as long as it takes.
-- @module rcpt.question
local core = require "rcpt.core"
local evidence = require "rcpt.evidence"
local now, sub = core.now, string.sub
local question = {}

-- A session lost this soon after an answer was not lost by being idle.
local SOON = 1

-- Wait for an answer: the reply; or false, how it ended ("lost", "late" or "unsaid") and the core's name for it; or
-- nil, message, code.
local function await(probe, session, ...)
  local reply, message, code = probe:await(...)
  if reply then return reply end
  if probe.gone then return nil, message, code end
  if reply == false then return false, session:ready() and "unsaid" or "lost", code end
  if code == "timeout" then return false, "late", code end
  if code == "closed" then return false, "lost", code end
  return nil, message, code
end

-- Is it about how many were asked on this session? Then it says nothing about this one.
local function is_limit(host, reply)
  if reply.code < 400 then return false end
  local reason, about = evidence.meaning(host, reply)
  if reason == "session_limit" then return true end
  return about ~= "mailbox" and (reply.code == 452 or reply.enhanced ~= nil and sub(reply.enhanced, -4) == ".5.3")
end

-- The transcript of the question alone: a session's begins with that of its opening.
local function add_transcript(entry, before, opening)
  if before and entry.transcript then
    if opening and sub(entry.transcript, 1, #opening) == opening then
      entry.transcript = before .. sub(entry.transcript, #opening + 1)
    else
      entry.transcript = before .. entry.transcript
    end
  end
end

-- What a session that could not be secured tells.
local function add_tls(group, entry)
  if entry.tls == nil and group.open.mode == "may" and group.facts.is_clear then
    entry.tls = { verified = false, why = group.facts.why }
  end
end

local function entry_of(lease, code)
  local entry = lease.session:evidence()
  entry.error, entry.err = entry.err or code, nil
  add_tls(lease.group, entry)
  return entry
end

--- The evidence where no session could be had.
-- @tparam table group
-- @tparam table seen evidence as the core gives it
-- @treturn table
function question.without(group, seen)
  seen.error, seen.err = seen.err, nil
  add_tls(group, seen)
  return seen
end

-- An answer that this session was over tells something of the host.
local function learn(lease, asked, is_about_number, idle)
  local group = lease.group
  if is_about_number or idle < SOON and group.facts.lost_at == asked then
    group:learn("limit", asked)
  elseif idle < SOON then
    group:learn("lost_at", asked)
  end
end

local IS_DECISIVE = { mailbox_unknown = true, mailbox_moved = true }

-- VRFY: a definite no decides, anything else is noted. Gives reply (or false), how, code as `await`.
local function verify(probe, lease, recipient, until_)
  local session = lease.session
  if not probe.options.vrfy or lease.group.facts.has_no_vrfy then return false, "unsaid" end
  local reply, how, code = await(probe, session, session:vrfy(recipient, until_ - now()))
  if reply then lease:count(reply) end
  return reply, how, code
end

-- Both questions: the reply that answers, how and code as `await`, and VRFY's reply.
local function ask(probe, lease, recipient, until_)
  local session = lease.session
  local vrfy, how, code = verify(probe, lease, recipient, until_)
  if vrfy and vrfy.code == 421 then how = "lost" end
  if vrfy == nil or how == "late" then return vrfy, how, code end
  if how == "lost" then return false, how, code, nil, true end
  if vrfy and vrfy.code >= 500 and IS_DECISIVE[evidence.meaning(lease.group.host, vrfy)] then
    return vrfy, nil, nil, vrfy
  end
  if vrfy and probe.options.transcript then lease.said = session:evidence().transcript end
  local reply
  reply, how, code = await(probe, session, session:rcpt(recipient, until_ - now()))
  if reply then lease:count(reply) end
  return reply, how, code, vrfy or nil, false
end

--- Put a question and give the session back. May yield.
-- @tparam table probe
-- @tparam table lease
-- @tparam ?string recipient nil: none, the session itself was the question
-- @tparam number until_
-- @treturn ?table evidence; or nil, message, code
-- @treturn ?table|boolean the reply, or false
-- @treturn ?boolean is it no answer, and to be asked again on another session?
function question.put(probe, lease, recipient, until_)
  local group, asked, idle = lease.group, lease.asked, now() - lease.used
  if not recipient then
    local entry = entry_of(lease)
    group:give_back(lease)
    return entry, false, false
  end
  lease:ask()
  local reply, how, code, vrfy, is_by_vrfy = ask(probe, lease, recipient, until_)
  if reply == nil then
    group:give_back(lease)
    return nil, how, code
  end
  if how == "unsaid" then lease:unask() end
  local entry = entry_of(lease, how ~= "unsaid" and code or nil)
  entry.vrfy = vrfy
  add_transcript(entry, lease.said, lease.opening)
  local is_number = reply and is_limit(group.host, reply)
  local is_lost = how == "lost" or reply and reply.code == 421
  local is_again = is_by_vrfy or asked > 0 and (is_lost or is_number)
  if is_by_vrfy and asked == 0 then
    group:learn("has_no_vrfy", true)
  elseif is_again then
    learn(lease, asked, is_number, idle)
  end
  group:give_back(lease, is_again or how == "late")
  return entry, reply, is_again or false
end

return question
