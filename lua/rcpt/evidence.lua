--- What was seen of each host, what it means, and which of it decides.
-- @module rcpt.evidence
local core = require "rcpt.core"
local verdict = require "rcpt.verdict"
local evidence = {}

-- How deep a stage is.
local DEPTH = {
  syntax = 0, dns = 1, connect = 2, greeting = 3, ehlo = 4, helo = 4, starttls = 4, mail = 5, vrfy = 6, rcpt = 6,
  rset = 6, quit = 6,
}

-- What a lost or refused connection means, by the core's name for it; what is not here is "connect_failed".
local BY_ERROR = {
  timeout = "timeout", proto = "protocol", toolong = "protocol", nofile = "local_limit", connections = "local_limit",
  smtputf8_unsupported = "smtputf8_unsupported", tls = "tls_required",
}

-- What of that is no matter of the host's.
local IS_OURS = { nofile = true, connections = true }

-- The reply that decides about an entry: to the question, or the last one where it refuses and nothing came after it.
local function deciding(entry, reply)
  if reply then return reply end
  local last = entry.replies[#entry.replies]
  if last and last.code >= 400 and last.stage == entry.stage then return last end
  return nil
end

-- STARTTLS was asked for and did not come about, or was not offered.
local function tls_fault(entry)
  for i = 1, #entry.replies do
    if entry.replies[i].stage == "starttls" then return "tls_failed" end
  end
  return "tls_not_offered"
end

local question = {}

--- What a reply of a host means. One to VRFY is read as one to RCPT: both speak of the mailbox.
-- @tparam string host
-- @tparam table reply
-- @treturn string reason
-- @treturn string whom it is about
function evidence.meaning(host, reply)
  local stage = reply.stage
  question.code, question.enhanced, question.text = reply.code, reply.enhanced, reply.text
  question.stage, question.mx = stage == "vrfy" and "rcpt" or stage, host
  return core.classify(question)
end

--- Say what an entry means: its `reply`, `stage`, `reason`, and is it definite?
-- Definite is what no other host of the domain would answer otherwise: acceptance, a 5yz reply to MAIL or
-- RCPT unless it says that this host is the wrong one. At level "connect" a greeting is.
-- @tparam table entry evidence of one host, see `rcpt.pool`
-- @tparam ?table|boolean reply to the question
-- @tparam string level
-- @treturn boolean
-- @treturn ?table the reply that decided
function evidence.judge(entry, reply, level)
  if level == "connect" then
    local greeting = entry.replies[1]
    if greeting and greeting.stage == "greeting" and greeting.code < 300 then
      entry.reason, entry.stage = "not_asked", "greeting"
      return true, greeting
    end
  end
  reply = deciding(entry, reply)
  local fault = entry.error
  if fault == "tls" then
    entry.reason, entry.error = "tls_required", tls_fault(entry)
    return false, reply
  end
  if not reply then
    entry.reason = BY_ERROR[fault] or "connect_failed"
    return IS_OURS[fault] or false, nil
  end
  local stage, code = reply.stage, reply.code
  local reason = evidence.meaning(entry.host, reply)
  entry.reason, entry.stage = reason, stage
  if stage == "vrfy" then return true, reply end
  if stage == "rcpt" then return code < 300 or code >= 500 and reason ~= "relay_denied", reply end
  return stage == "mail" and code >= 500, reply
end

--- Is one entry more telling than another? The deeper stage is; of one stage a reply is more than silence;
-- a host that says it is the wrong one gives way to one that does not; else the first asked stays.
-- @tparam table entry
-- @tparam ?table reply of the entry
-- @tparam table than
-- @tparam ?table reply_than
-- @treturn boolean
function evidence.tells_more(entry, reply, than, reply_than)
  local a, b = DEPTH[entry.stage] or 0, DEPTH[than.stage] or 0
  if a ~= b then return a > b end
  if (reply ~= nil) ~= (reply_than ~= nil) then return reply ~= nil end
  return than.reason == "relay_denied" and entry.reason ~= "relay_denied"
end

local function transcript_of(list)
  local out, n = {}, 0
  for i = 1, #list do
    local entry = list[i]
    if entry.transcript then
      n = n + 1
      out[n] = "* " .. entry.host .. " " .. (entry.ip or "") .. "\n" .. entry.transcript
      entry.transcript = nil
    end
  end
  return table.concat(out)
end

local function identity_of(identity, entry)
  local sender = identity.sender
  return { name = identity.name, helo = identity.helo, sender = sender == "" and "<>" or sender, source = entry.source,
    proxy = identity.shown_proxy }
end

local function plain_reply(reply)
  return { code = reply.code, enhanced = reply.enhanced, text = reply.text, stage = reply.stage }
end

local function plain_tls(tls)
  return { version = tls.version, cipher = tls.cipher, verified = tls.verified or false, why = tls.why }
end

--- The verdict on a probe that has a reason.
-- @tparam table probe
-- @treturn table see the list of fields in doc/verdicts.md
function evidence.verdict(probe)
  local parsed, options, entry, reply = probe.parsed, probe.options, probe.entry, probe.reply
  local reason, level, list = probe.reason, options.level, probe.evidence
  local status = verdict.status(reason, reply and reply.code)
  local diagnosis = probe.diagnosis
  if diagnosis == "backup_host" then
    status = "risky"
  elseif probe.is_unsure and status == "undeliverable" then
    status = "unknown"
  end
  return {
    address = probe.address, status = status, reason = reason,
    passed = reason == "not_asked" or reason == "accepted",
    stage = probe.stage, level = level, diagnosis = diagnosis, position = parsed.position,
    normalized = parsed.normalized, ascii = parsed.ascii, ["local"] = parsed["local"], domain = parsed.domain,
    mx = probe.mx or nil,
    host = entry and entry.host, ip = entry and entry.ip, port = entry and entry.port,
    reply = reply and plain_reply(reply),
    vrfy = entry and entry.vrfy and plain_reply(entry.vrfy),
    tls = entry and entry.tls and plain_tls(entry.tls),
    identity = entry and identity_of(probe.identity, entry),
    hook = probe.hook,
    evidence = list or nil,
    elapsed = core.now() - probe.began,
    transcript = options.transcript and list and transcript_of(list) or nil,
  }
end

return evidence
