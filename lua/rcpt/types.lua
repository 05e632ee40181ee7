---@meta rcpt
-- The types of the module for the Lua language server; never loaded. A spec compares the names with the module's.

---@alias rcpt.Level "syntax"|"dns"|"connect"|"rcpt"
---@alias rcpt.Status "deliverable"|"risky"|"undeliverable"|"unknown"

---@class rcpt.ParseOptions
---@field quoted? boolean take quoted local parts (true)
---@field literal? boolean take address literals (true)
---@field smtputf8? boolean take local parts beyond ASCII (true)
---@field display_name? boolean take `Name <user@domain>` (false)
---@field single_label? boolean take domains without a dot (false)
---@field special_use? boolean take domains set aside (false)

---@class rcpt.Options: rcpt.ParseOptions
---@field helo? string our name in EHLO; needed at level "rcpt"
---@field sender? string what MAIL FROM gives, "<>" for the null sender; needed at level "rcpt"
---@field level? rcpt.Level how deep to ask ("rcpt")
---@field deadline? number seconds for one whole question (45)
---@field connect_timeout? number seconds for a connection to one address (10)
---@field greeting_timeout? number seconds for the greeting (20)
---@field reply_timeout? number seconds for each later reply (20)
---@field dns_timeout? number seconds for each DNS question (10)
---@field second_family? number seconds until the next address of a host is tried beside the first (2)
---@field max_hosts? integer mail hosts of a domain that are tried (5)
---@field concurrency? integer addresses `each` asks about at once (100)
---@field nameservers? string[] DNS servers, "IP", "IP:port" or "[IPv6]:port"
---@field source? string|string[] our address to connect from, one a family
---@field proxy? rcpt.Proxy SOCKS5 proxy to go through
---@field identities? rcpt.IdentityOptions[] several of us
---@field identity? fun(info: rcpt.IdentityInfo): string? which of them asks; nil leaves it to the rules
---@field port? integer of the mail hosts (25)
---@field tls? "may"|"off"|"require" STARTTLS ("may")
---@field tls_ca_file? string PEM file of certificate authorities beside the system's
---@field vrfy? boolean ask VRFY before RCPT where it is offered (false)
---@field connections_per_host? integer at once, to one mail host as one identity (5)
---@field connections_per_identity? integer at once, as one identity (500)
---@field connections? integer at once, of the whole process (1000)
---@field session_recipients? integer asked on one connection (200)
---@field session_refusals? integer heard on one connection (20)
---@field session_age? number seconds of a connection on which more is asked (300)
---@field session_idle? number seconds between two questions on one connection (10)
---@field linger? number seconds connections are kept when nothing is asked any more (0)
---@field allow_nets? string[] ranges in which mail hosts are asked although no public one can stand there
---@field transcript? boolean keep what was said (false)
---@field driver? "plain" how to wait
---@field rate_limit? false
---@field cache? false
---@field catch_all? false
---@field greylist? false
---@field breaker? false
---@field single_flight? false
---@field preflight_gate? false
---@field policies? false
---@field store? false

---@class rcpt.Proxy
---@field host string its IP address
---@field port? integer (1080)
---@field user? string
---@field password? string

---@class rcpt.IdentityOptions
---@field name? string for the hook and the verdict; else its number
---@field helo? string
---@field sender? string
---@field source? string|string[]
---@field proxy? rcpt.Proxy|false
---@field domains? string[] of recipients, sub-domains too, that it asks for
---@field providers? string[] ends of mail hosts' names that it asks

---@class rcpt.IdentityInfo
---@field address string
---@field domain string
---@field mx { host: string, preference: integer }[]

---@class rcpt.Mx
---@field host string
---@field preference integer
---@field implicit boolean the domain itself, for want of an MX record

---@class rcpt.Reply
---@field code integer
---@field enhanced? string
---@field text string its lines joined by a line feed
---@field stage string

---@class rcpt.Identity
---@field helo? string
---@field sender? string
---@field source? string our address
---@field name? string among the option `identities`
---@field proxy? string "ip:port" of the proxy gone through

---@class rcpt.Tls
---@field version? string nil: the connection was not secured
---@field cipher? string
---@field verified boolean
---@field why? string it is not verified, or not secured

---@class rcpt.Evidence
---@field host string
---@field ip? string
---@field port? integer
---@field source? string
---@field stage string
---@field reason? string
---@field error? string
---@field replies rcpt.Reply[]
---@field tls? rcpt.Tls
---@field tls_why? string how the handshake failed
---@field vrfy? rcpt.Reply
---@field proxied? boolean

---@class rcpt.Verdict
---@field address string what was asked about, byte for byte
---@field status rcpt.Status
---@field reason string
---@field passed boolean
---@field stage string
---@field level rcpt.Level
---@field diagnosis? string
---@field position? integer
---@field normalized? string
---@field ascii? string
---@field local? string
---@field domain? string
---@field mx? rcpt.Mx[]
---@field host? string
---@field ip? string
---@field port? integer
---@field reply? rcpt.Reply
---@field vrfy? rcpt.Reply
---@field tls? rcpt.Tls
---@field identity? rcpt.Identity
---@field hook? string
---@field evidence? rcpt.Evidence[]
---@field elapsed number seconds
---@field transcript? string

---@class rcpt.Parsed
---@field address string
---@field valid boolean
---@field reason? string
---@field position? integer
---@field normalized? string
---@field ascii? string
---@field local? string
---@field domain? string

---@class rcpt.Meaning
---@field reason string
---@field about "mailbox"|"domain"|"us"|"server"|"message"
---@field status rcpt.Status

---@class rcpt.Call
local Call = {}

---Wait for the answer. Asked again, it gives the same again.
---@return rcpt.Verdict? verdict
---@return string? message
---@return string? code
function Call:wait() end

---Give it up.
function Call:cancel() end

---@return boolean
function Call:is_done() end

---@class rcpt.Task
local Task = {}

---Wait for the function; gives what it returned, raises what it raised.
---@return any ...
function Task:wait() end

---@class rcpt.Validator
local Validator = {}

---Ask about one address; blocks only the calling coroutine.
---@param address string
---@param options? rcpt.Options for this question alone
---@return rcpt.Verdict? verdict
---@return string? message
---@return string? code
function Validator:validate(address, options) end

---Ask about one address in a coroutine of its own.
---@param address string
---@param options? rcpt.Options
---@return rcpt.Call? call
---@return string? message
---@return string? code
function Validator:start(address, options) end

---An iterator over the verdicts on many addresses, as they come.
---@param source string[]|fun():string?
---@param options? rcpt.Options
---@return (fun():rcpt.Verdict|false|nil, string?, string?, string?)? iterator
function Validator:each(source, options) end

---Give up this validator's questions.
function Validator:close() end

---@class rcpt
---@field VERSION string
local rcpt = {}

---@param options rcpt.Options
---@return rcpt.Validator
function rcpt.new(options) end

---@param address string
---@param options rcpt.Options
---@return rcpt.Verdict? verdict
---@return string? message
---@return string? code
function rcpt.validate(address, options) end

---@param address string
---@param options? rcpt.ParseOptions
---@return rcpt.Parsed
function rcpt.parse(address, options) end

---@param reply { code: integer, enhanced: string?, text: string?, stage: string?, mx: string? }
---@return rcpt.Meaning
function rcpt.classify(reply) end

---@param fn function
---@param ... any its arguments
---@return any ...
function rcpt.run(fn, ...) end

---@param fn function
---@param ... any its arguments
---@return rcpt.Task
function rcpt.spawn(fn, ...) end

---@param fd integer 0 is standard input
---@return fun():string?, boolean|string?, string?
function rcpt.lines(fd) end

return rcpt
