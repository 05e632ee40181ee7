--- A small mail world on loopback, for specs and for the demo: scripted name servers and mail
-- servers and SOCKS5 proxies in a process of their own (spec/support/world/, always lua5.4 with
-- lua-cqueues and lua-socket; for TLS lua-sec and the openssl command as well). This side needs
-- nothing but Lua 5.1: a pipe, a fifo and files.
--
--     local World = require "spec.support.world"
--     local w = World.start {
--       zones = {
--         ["company.example"]    = { MX = { { 10, "mx.company.example" } } },
--         ["mx.company.example"] = { A = { "127.0.1.1" } },
--       },
--       hosts = {
--         { ip = "127.0.1.1", name = "mx.company.example",
--           rcpt = { ["user@company.example"] = "250 2.1.5 ok", ["*"] = "550 5.1.1 unknown" } },
--       },
--     }
--     local validator = rcpt.new(w:options { level = "rcpt" })
--     ...
--     w:stop()
--
-- The script is plain data (no functions).
--
-- zones: name -> entry. Names in lower case, A-labels, no dot at the end.
--   A, AAAA, PTR, NS   a value or a list of them        MX     { { preference, host }, ... }; "." is null MX
--   TXT      a text, or a list; a list within it is one record of several strings
--   CNAME    a name; followed for other types           any value may be { value, ttl = 5 } or { rdata = octets }
--   ttl      of its records, 300                        negative_ttl   of denials, 60 (the apex's holds below)
--   soa_ttl  the TTL of the SOA itself, negative_ttl    without_soa    denials come bare (the apex's holds below)
--   rcode = "SERVFAIL", delay = 0.2, silent = true, truncate = true (TC over UDP, whole over TCP),
--   raw = octets (the first two become the question's ID), wrong_id = true, times = n (misbehave for
--   the first n questions only), on = { AAAA = { silent = true, ... } } (for questions of a type only)
-- A name that is not listed: "*.above" if there is one; else empty (NODATA) if something is listed
-- below it, else NXDOMAIN; each with the SOA of the topmost listed name above it, or of the last
-- label. `unlisted = "REFUSED"` answers that where nothing is listed above.
-- Answers over 512 octets (or what EDNS offers) are truncated over UDP.
--
-- nameservers: how many (1), or a list of tables with the same ways to misbehave (they come before
--   the zone's), and refuse = true (its port is closed), no_tcp = true. All on 127.0.0.1.
--
-- hosts: a list; all listen on w.port, each on its own addresses in 127.0.0.0/8, or ::1.
--   ip = "127.0.1.1" or a list; name
--   greeting, ehlo, helo, rset, noop, quit, starttls, data, bdat, unknown   a reply; each has a sane
--            default (ehlo offers PIPELINING, ENHANCEDSTATUSCODES and SMTPUTF8; rcpt says 550 5.1.1)
--   mail, rcpt, vrfy   a reply, or a map of them: exact address ("" is the null sender), then "*@domain",
--            then "*"; octets count, upper case is not lower case
--   delay = 1     before each reply, the greeting too
--   refuse = true     nothing listens              blackhole = true   connecting hangs: no answer at all
--   early = reply     said after the greeting, before any command
--   tls_instead, http_instead = true       the first octets are another protocol's, then it closes
--   Limits; the reply to what is over one is NAME_reply, and where that says 421 it closes as well:
--   max_rcpt = n      in a connection, then 452    max_rcpt_transaction = n   since MAIL, then 452
--   one_rcpt_null_sender = true  a second RCPT after MAIL FROM:<> gets 452
--   max_mail = n      in a connection, then 421 and close    idle = seconds     without a command: so too
--   max_connections = n   open at once, each further one gets 421 for a greeting
--   max_refusals = n  MAIL and RCPT refused so often, then 421 to the next command but QUIT
--   close_after_refusal = true   it hangs up behind a refusal of MAIL or RCPT
--   tls      true, or a table: ehlo offers STARTTLS too (an `ehlo` of the script's own says so itself, and
--            is said without that line inside TLS), and it is done, by
--     cert = "good" (the default: signed by the CA in w.ca_file, for the names of all hosts), "self-signed",
--            "expired", "wrong-name" (both by that CA), "big" (its `size` in octets, 10 MiB; the TLS
--            library sends up to 16 MiB, and OpenSSL's clients take 100 KiB)
--     versions = "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3"   that one only
--     require = true     530 to all but EHLO, HELO, NOOP, QUIT and STARTTLS until then
--     refuse = reply     to STARTTLS, which is offered
--     inject = octets    in the clear in one segment with the 220 (CVE-2011-0411)
--     <command>_after = reply   inside TLS, in place of the script's own: ehlo_after, mail_after, ...
--     After the 220, once the client's hello is there, in place of the handshake: garbage = true or octets,
--     then silence; alert = number, then it closes; close = true; reset = true; stall = "record" (half a
--     record, then silence). stall = "handshake" reads and says nothing.
--     renegotiate = true   TLS 1.2, and right after the handshake it asks for another; no `sni` is told
-- A reply is a string, or a list of steps, or one step:
--   "250 text"   with CRLF added; with "\n" in it a reply of several lines: "250-a\n250 b", "250 a\nb"
--   { wait = 1.5 }   { silence = true }   { close = true }   { reset = true }   { raw = octets }
--   { close = "bare" } (without TLS's close_notify)   { torn = "250 ok\r\n", every = 0.001 } (an octet at a time)
--   { flood = n, with = "250-x\r\n" } (n octets; true: for ever; every = 0.1: that long between two `with`)
-- or { sequence = { reply, reply, ... } }: the n-th time the n-th, the last one stays (greylisting).
-- RFC 5321's order is kept: 503 for RCPT before MAIL, and so on.
--
-- proxies: a list of tables, SOCKS5 on 127.0.0.1. They connect to 127.0.0.0/8 and ::1, else reply 2.
--   user, password    wanted (RFC 1929); else no authentication
--   fail = "auth" | "general", "ruleset", "network", "unreachable", "refused", "expired", "command", "address" or
--     a number (the code of the reply) | "silent", "garbage", "close", "reset" (at = "greeting", "auth" or "request")
--   torn = true (an octet at a time)   together = true (its last reply in one segment with the host's greeting)
--   bound = "ipv6" | "name" (the kind of address in the reply)   patience = 20   refuse = true (its port is closed)
--
-- A dead IPv6: only ::1 is there to listen on, so one host can have it, with refuse or blackhole (and its
-- IPv4 as a host of its own, of the same name). Addresses nobody routes, as of 100::/64, need no host.
--
-- w.port, w.nameserver ("127.0.0.1:port", UDP and TCP), w.nameservers (list), w.proxies (list), w.pid
-- w.ca_file          the CA of this world, as a PEM file (where a host has TLS)
-- w:options(extra)   what rcpt.new wants to live in this world, and `extra` over it
-- w:journal()        the list of events, oldest first: { t = seconds, kind =, ... }
--     query   name, type, transport = "udp"|"tcp", peer, server = index
--     connect peer            close   by = "client"|"server"|"reset", sent (octets, in the clear)
--     tls     version, cipher, sni; or failed = what the script or the TLS library says
--     line    text (bare = "true": it ended without CR; unanswered = "true": nobody answered it any more)
--     reply   text            early   text: the client spoke before its turn (no PIPELINING offered, or
--             after a command that ends a group)
--     unoffered   text: STARTTLS, or a parameter of MAIL, RCPT or VRFY, that EHLO did not offer
--     DATA, BDAT  text: must never happen           error  text: a fault of the world itself
--     those of SMTP carry host, ip, conn (a number of the world's, growing), and tls = "true" inside TLS
--     proxy   proxy (index), peer, user; type = "ipv4"|"ipv6"|"name" (which must never be), target, code of
--             the reply, via (the peer the host sees); or failed, stage
-- w:wait(predicate, seconds[, step])  until predicate(journal); returns what it returned, or nil
-- w:count(kind, pattern)  events of the kind whose text (or name, for queries) matches
-- w:lines([conn or host])  the texts of `line` events, in order
-- w:max_open([host name or ip]), w:open_now([...])  connections open at once, highest and now
-- w:connections([host name or ip])  connections made so far
-- w:update { zones =, hosts = }  zones replaced by name (false removes); hosts found by ip, or by name,
--     get the new script whole
-- w:stop()  ends the process and removes its files; raises if the world itself had an error
--
-- Waiting blocks this process in the read of a pipe that the world writes to when its journal has
-- grown: no sleep, no polling. Whoever has an engine in this process to keep going meanwhile gives
-- `step`, called between looks at the journal; it should itself wait a little, as engine:wait does.
-- A world whose parent died ends by itself, and so does one older than `lifetime` (600 s).
-- SPDX-License-Identifier: MIT
local World = {}
World.__index = World

local HERE = debug.getinfo(1, "S").source:match "^@(.*)world%.lua$" or "spec/support/"

local function quote(text)
  return '"' .. text:gsub('[%c"\\\127-\255]', function(c)
    return ("\\%03d"):format(c:byte())
  end) .. '"'
end

local function dump(value, out, where)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = quote(value)
  elseif kind == "number" or kind == "boolean" then
    out[#out + 1] = tostring(value)
  elseif kind == "table" then
    out[#out + 1] = "{"
    for k, v in pairs(value) do
      out[#out + 1] = "["
      dump(k, out, where)
      out[#out + 1] = "]="
      dump(v, out, where .. "." .. tostring(k))
      out[#out + 1] = ",\n"
    end
    out[#out + 1] = "}"
  else
    error("the script of a world is plain data; " .. where .. " is a " .. kind, 0)
  end
end

local function written(script)
  local out = { "return " }
  dump(script, out, "script")
  return table.concat(out)
end

local function save(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function shell(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function slurp(path)
  local file = io.open(path, "rb")
  local text = file and file:read "*a" or ""
  if file then
    file:close()
  end
  return text
end

local function make_directory()
  local pipe = io.popen('d=$(mktemp -d "${TMPDIR:-/tmp}/rcpt-world.XXXXXX") && mkfifo "$d/reply" && echo "$d"')
  local directory = pipe:read "*l"
  pipe:close()
  return assert(directory, "a world needs mktemp and mkfifo")
end

-- The command: all the descriptors it may have, nothing preloaded (ASan is for us, not for it). The
-- shell stays: it holds the fifo open, says into it that the world failed, swallows commands then
-- (or sending one would kill us with SIGPIPE), and removes the files whatever the end was.
local function command_line(directory)
  local d = shell(directory)
  local run = ("echo $$ >%s/pid; exec env -u LD_PRELOAD lua5.4 %s %s"):format(
    d, shell(HERE .. "world/main.lua"), d)
  return ("trap : HUP INT TERM; exec 3<>%s/reply; ulimit -n $(ulimit -Hn) 2>/dev/null; "
    .. "sh -c %s 2>%s/stderr || { echo failed >&3; cat >/dev/null; }; rm -rf %s"):format(d, shell(run), d, d)
end

-- It is dead: clean up after it and say what it said last.
function World:fail()
  local why = slurp(self.directory .. "/stderr")
  self:close()
  self.pipe = nil
  error("the mail world died: " .. why, 3)
end

-- Send a command, read its answer.
function World:ask(text)
  assert(self.pipe, "the mail world was stopped")
  self.pipe:write(text, "\n")
  self.pipe:flush()
  local answer = self.replies:read "*l"
  if not answer or answer == "failed" then
    self:fail()
  elseif answer:sub(1, 2) ~= "ok" then
    error(answer, 3)
  end
  return answer:sub(4)
end

-- A world forgotten is stopped by the collector, on both Luas.
local function guard(w)
  local newproxy = rawget(_G, "newproxy") -- 5.1: tables have no finalizers
  if newproxy then
    local proxy = newproxy(true)
    getmetatable(proxy).__gc = function() w.close(w) end
    return proxy
  end
  return setmetatable({}, { __gc = function() w.close(w) end })
end

--- Start a world; returns when all of it listens.
function World.start(script)
  local text = written(script)
  local w = setmetatable({ directory = make_directory(), events = {}, read = 0 }, World)
  save(w.directory .. "/script.lua", text)
  w.pipe = assert(io.popen(command_line(w.directory), "w"))
  w.pipe:setvbuf "no"
  w.replies = assert(io.open(w.directory .. "/reply", "r"))
  local answer = w.replies:read "*l"
  local port, rest = (answer or ""):match "^ready (%d+)(.*)$"
  if not port then
    local why = slurp(w.directory .. "/stderr")
    w:close()
    error("the mail world did not start: " .. why, 2)
  end
  w.port, w.nameservers = tonumber(port), {}
  local servers, proxies = rest:match "^([^|]*)|?(.*)$"
  w.proxies = {}
  for one in servers:gmatch "%d+" do
    w.nameservers[#w.nameservers + 1] = "127.0.0.1:" .. one
  end
  for one in proxies:gmatch "%d+" do
    w.proxies[#w.proxies + 1] = "127.0.0.1:" .. one
  end
  w.ca_file = w.directory .. "/ca.pem"
  w.nameserver = w.nameservers[1]
  w.pid = tonumber(slurp(w.directory .. "/pid"))
  w.log = assert(io.open(w.directory .. "/journal", "rb"))
  w.guard = guard { close = World.close, pipe = w.pipe, replies = w.replies, log = w.log,
    directory = w.directory }
  return w
end

--- Options for rcpt.new with which questions stay in this world.
function World:options(extra)
  local options = {
    nameservers = self.nameservers, port = self.port, allow_nets = { "127.0.0.0/8", "::1/128" },
    helo = "probe.example", sender = "user@probe.example",
  }
  for name, value in pairs(extra or {}) do
    options[name] = value
  end
  return options
end

local NUMBERS = {
  t = true, conn = true, server = true, torn = true, flood = true, sent = true, proxy = true, code = true,
}

local function parse_event(line)
  local event = {}
  for key, value in line:gmatch "([%w_]+)=([^\t]*)" do
    value = value:gsub("\\(%d%d%d)", function(code)
      return string.char(tonumber(code))
    end)
    event[key] = NUMBERS[key] and tonumber(value) or value
  end
  return event
end

-- Add to self.events what the journal has gained.
function World:catch_up()
  self.log:seek("set", self.read)
  local text = self.log:read "*a" or ""
  for line in text:gmatch "([^\n]*)\n" do
    self.events[#self.events + 1] = parse_event(line)
    self.read = self.read + #line + 1
  end
  return self.events
end

--- All events so far. The list is the world's own and grows: do not change it.
function World:journal()
  self:ask "sync"
  return self:catch_up()
end

--- Until predicate(journal) is true; returns its value, or nil when `seconds` (5) are over.
function World:wait(predicate, seconds, step)
  local now = step and require("rcpt.core").now
  local left = seconds or 5
  local deadline = now and now() + left
  while true do
    local events = self:journal()
    local found = predicate(events)
    if found then
      return found
    end
    if step then
      if now() >= deadline then
        return nil
      end
      step()
    else
      if left <= 0 then
        return nil
      end
      left = self:pass(#events, left)
    end
  end
end

-- Block until there are more than n events or the seconds are over; what is left of them.
function World:pass(n, seconds)
  local passed = self:ask(("wait %d %.3f"):format(n, seconds)):match "%S+$"
  return seconds - tonumber(passed)
end

--- How many events of a kind there are whose text (a query's name) matches the Lua pattern.
function World:count(kind, pattern)
  local n = 0
  for _, event in ipairs(self:journal()) do
    if event.kind == kind and (not pattern or (event.text or event.name or ""):find(pattern)) then
      n = n + 1
    end
  end
  return n
end

--- What clients said, in order; of one connection (a number) or one host (its name or ip).
function World:lines(of)
  local out = {}
  for _, event in ipairs(self:journal()) do
    if event.kind == "line" and (not of or event.conn == of or event.host == of or event.ip == of) then
      out[#out + 1] = event.text
    end
  end
  return out
end

function World:max_open(host)
  return tonumber(self:ask("open " .. (host or "")):match "^%d+ (%d+)")
end

function World:open_now(host)
  return tonumber(self:ask("open " .. (host or "")):match "^%d+")
end

--- How many connections were made so far; to one host (its name or ip), or to all.
function World:connections(host)
  return tonumber(self:ask("open " .. (host or "")):match "%d+$")
end

--- Change the script while the world runs.
function World:update(script)
  save(self.directory .. "/update.lua", written(script))
  self:ask("update " .. self.directory .. "/update.lua")
end

-- End the process, and with it its files. Works on a table that holds just what it needs, for the
-- collector.
function World:close()
  if io.type(self.pipe) ~= "file" then
    return -- stopped before; or the collector took the pipe first, which ends the world as well
  end
  local pid = slurp(self.directory .. "/pid"):match "%d+"
  if pid then
    os.execute("kill " .. pid .. " 2>/dev/null")
  end
  for _, file in ipairs { self.pipe, self.replies, self.log } do
    if io.type(file) == "file" then
      file:close() -- the pipe's waits until the process has ended
    end
  end
end

--- End it. Twice is nothing. Raises if the world itself was at fault meanwhile.
function World:stop()
  if not self.pipe then
    return
  end
  local faults = {}
  for _, event in ipairs(self:journal()) do
    if event.kind == "error" then
      faults[#faults + 1] = event.text
    end
  end
  self:close()
  self.pipe = nil
  if #faults > 0 then
    error("faults of the mail world itself:\n" .. table.concat(faults, "\n"), 2)
  end
end

return World
