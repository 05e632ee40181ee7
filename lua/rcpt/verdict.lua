--- What a verdict is: the reasons, their status, and how one is made of what was seen.
-- `doc/verdicts.md` is drawn from these tables by `check/verdicts.lua`.
-- @module rcpt.verdict
local core = require "rcpt.core"
local ipairs = ipairs
local verdict = {}

verdict.STATUSES = {
  { "deliverable", "the domain's server accepted the recipient" },
  { "risky", "the mailbox is there as far as can be seen, but mail to it may be lost" },
  { "undeliverable", "definite: mail to the address cannot arrive" },
  { "unknown", "nobody could tell; asking another time or from elsewhere may" },
}

--- Every reason: name, status, whom it is about, what it means, what evidence it rests on.
-- `about`: mailbox, domain, us (this host, its names, its rate), server, message, question.
verdict.REASONS = {
  { "accepted", "deliverable", "mailbox", "The server took the recipient.",
    "A 2yz reply to RCPT. Risky, with `diagnosis = \"backup_host\"`, where a host of better preference answered and did"
    .. " not decide: a backup may take what the mailbox's own server refuses." },
  { "accepted_by_relay", "risky", "mailbox", "A relay took the recipient; the domain's own server was not asked.",
    "A 2yz reply to RCPT from a relay." },
  { "catch_all", "risky", "domain", "The server takes every recipient of the domain, so its yes says nothing.",
    "A 2yz reply to RCPT for a recipient that cannot exist." },
  { "mailbox_full", "risky", "mailbox", "The mailbox is there and over its quota.", "A reply to RCPT that says so." },
  { "receiving_too_fast", "risky", "mailbox", "The mailbox is there and gets more mail than its server lets in now.",
    "A reply to RCPT that says so." },
  { "mailbox_restricted", "risky", "mailbox", "The mailbox is there and takes mail from certain senders only.",
    "A reply to RCPT that says so." },
  { "syntax", "undeliverable", "question", "It is no address.",
    "The grammar of RFC 5321 with RFC 6531; `diagnosis` names the rule, `position` the byte." },
  { "domain_not_found", "undeliverable", "domain", "The domain does not exist.", "NXDOMAIN to the question for MX." },
  { "null_mx", "undeliverable", "domain", "The domain declares that it takes no mail (RFC 7505).",
    "An MX record that names the root." },
  { "no_mail_host", "undeliverable", "domain", "The domain exists and has neither MX nor address.",
    "NODATA for MX, and no A and no AAAA record." },
  { "bogus_mx", "undeliverable", "domain", "The domain's mail hosts cannot be any: missing, IP addresses instead of"
    .. " names, or only at addresses no public server can have.",
    "Each MX looked up; `diagnosis` says what was wrong with the first, `evidence` with each." },
  { "domain_no_mail", "undeliverable", "domain", "The server says that the domain takes no mail.",
    "A 5yz reply to RCPT that says so." },
  { "mailbox_unknown", "undeliverable", "mailbox", "There is no such mailbox.",
    "A 5yz reply to RCPT, or to VRFY where that is asked, that says so." },
  { "mailbox_disabled", "undeliverable", "mailbox", "The mailbox is disabled, suspended or abandoned.",
    "A 5yz reply to RCPT that says so." },
  { "mailbox_moved", "undeliverable", "mailbox", "The mailbox has moved and mail is not passed on.",
    "A 5yz reply to RCPT (551, 5.1.6) that says so." },
  { "bounced", "undeliverable", "mailbox", "Real mail to the address came back for good.", "A delivery report." },
  { "greylisted", "unknown", "us", "The server puts off who it does not know yet; asking again later may tell.",
    "A 4yz reply that says so." },
  { "rate_limited", "unknown", "us", "We ask this server or provider too often.", "A reply that says so." },
  { "session_limit", "unknown", "us", "The session or its number of recipients came to a limit of the server's.",
    "A reply that says so." },
  { "blocked", "unknown", "us", "The server refuses this host: its address is listed or its reputation poor.",
    "A reply that says so, at any stage." },
  { "ptr_or_helo", "unknown", "us", "The server wants another reverse name or HELO name of this host.",
    "A reply that says so, at any stage." },
  { "callback_failed", "unknown", "us", "The server asked back about our sender and was not satisfied.",
    "A reply that says so." },
  { "sender_rejected", "unknown", "us", "The server refuses the sender, not the recipient.",
    "A refusal of MAIL, or a reply to RCPT that says so." },
  { "relay_denied", "unknown", "domain", "The host says it is not responsible for the domain; the next one is asked.",
    "A reply to RCPT that says so." },
  { "tls_required", "unknown", "us", "One side talks under TLS only, and there was none.",
    "A reply that says so; or `tls = \"require\"` and `diagnosis` `tls_not_offered` or `tls_failed`." },
  { "auth_required", "unknown", "us", "The server wants us to log in first.", "A reply that says so." },
  { "policy_refusal", "unknown", "us", "The server refuses for a policy of its own that it does not explain.",
    "A reply that says so." },
  { "message", "unknown", "message", "The refusal is about a message, and there is none.", "A reply that says so." },
  { "protocol", "unknown", "server", "The two sides did not understand each other.",
    "A reply of the 500 kind about our commands, or something that is no SMTP." },
  { "temporary", "unknown", "server", "The server has trouble of its own now.", "A 4yz reply that says so." },
  { "unclassified", "unknown", "server", "A refusal nobody can read.",
    "The reply is in the verdict, word for word." },
  { "dns_failure", "unknown", "domain", "The domain's DNS could not be asked.",
    "SERVFAIL, REFUSED or no answer; `diagnosis` says which." },
  { "connect_failed", "unknown", "server", "No mail host could be connected to, or the connection was lost.",
    "`diagnosis` says how, `stage` where, `evidence` what became of each host." },
  { "port_blocked", "unknown", "us", "No mail host anywhere can be reached from here: port 25 is closed on our side.",
    "What preflight saw." },
  { "timeout", "unknown", "server", "No answer in time.", "`stage` says to what." },
  { "smtputf8_unsupported", "unknown", "server", "The address needs SMTPUTF8 and the server does not offer it.",
    "The reply to EHLO." },
  { "local_limit", "unknown", "us", "A limit on our own side: `retry_after` or `diagnosis` says which.",
    "No question was sent. `connections`: no place for one before the deadline; `nofile`: no descriptor." },
  { "breaker_open", "unknown", "us", "The host or its provider is left alone for a while after it banned us.",
    "No question was sent." },
  { "preflight_failed", "unknown", "us", "This host is not fit to ask, and is told not to where it is not.",
    "What preflight saw." },
  { "hook_failed", "unknown", "us", "A hook of the user's raised or made no sense; `hook` names it.",
    "`diagnosis` holds the first line of the error's text." },
  { "not_asked", "unknown", "question", "The level asked for was reached; deeper was not asked. `passed` is true.",
    "`stage` is the level." },
}

--- Every field of a verdict: name, LuaLS type, what it holds. Absent fields are nil.
verdict.FIELDS = {
  { "address", "string", "what was asked about, byte for byte" },
  { "status", "rcpt.Status", "deliverable, risky, undeliverable or unknown" },
  { "reason", "string", "one of the reasons below" },
  { "passed", "boolean", "was the level asked for reached, and the answer there a yes?" },
  { "stage", "string", "the deepest stage reached, where it ended: syntax dns connect greeting ehlo helo starttls"
    .. " mail vrfy rcpt" },
  { "level", "string", "the level asked for" },
  { "diagnosis", "string?", "more than the reason: the rule of syntax, the DNS status, how a connection was lost" },
  { "position", "integer?", "of the offending byte, from 1, where the syntax is wrong" },
  { "normalized", "string?", "the address in its one form: local part in NFC, domain in Unicode" },
  { "ascii", "string?", "the address in ASCII; nil where the local part is not" },
  { "local", "string?", "the local part" },
  { "domain", "string?", "the domain, in ASCII and lower case" },
  { "mx", "rcpt.Mx[]?", "the domain's mail hosts in the order to try" },
  { "host", "string?", "the host whose answer decided" },
  { "ip", "string?", "its address" },
  { "port", "integer?", "its port" },
  { "reply", "rcpt.Reply?", "the reply that decided" },
  { "vrfy", "rcpt.Reply?", "the reply to VRFY, where option `vrfy` is on and the host offered it" },
  { "tls", "rcpt.Tls?", "how the connection was secured; without a version it was not, and `why` says why" },
  { "identity", "rcpt.Identity?", "who asked: HELO name, sender, our address, proxy, name among `identities`" },
  { "hook", "string?", "the hook of the user's that made a mistake" },
  { "evidence", "rcpt.Evidence[]?", "each host looked at, in order, and what became of it" },
  { "elapsed", "number", "seconds" },
  { "transcript", "string?", "what was said, where option `transcript` is on" },
}

local STATUS, ABOUT = {}, {}
for _, row in ipairs(verdict.REASONS) do STATUS[row[1]], ABOUT[row[1]] = row[2], row[3] end

--- The status a reason gives, with the reply it comes from.
-- A 4yz reply never makes an address undeliverable, whatever its reason.
-- @tparam string reason
-- @tparam ?number code the reply code
-- @treturn string
function verdict.status(reason, code)
  local status = STATUS[reason]
  if status == "undeliverable" and code and code >= 400 and code < 500 then return "unknown" end
  return status
end

--- Whom a reason is about.
-- @tparam string reason
-- @treturn string
function verdict.about(reason) return ABOUT[reason] end

--- What a reply means.
-- @tparam table reply `{code=, enhanced=, text=, stage=, mx=}`; stage defaults to "rcpt"
-- @treturn table `{reason=, about=, status=}`
-- @raise on a wrong type
function verdict.classify(reply)
  local reason, about = core.classify(reply)
  return { reason = reason, about = about, status = verdict.status(reason, reply.code) }
end

return verdict
