-- The mail world of the demo: what its servers do, and what must be found out about it.
--
-- Plain data in the shape of spec/support/world.lua. Each row is an address, the options it is
-- asked with, and the status and reason that are right for it here (and the host that must have
-- answered); `shown` is the one whose verdict is printed in full.
-- SPDX-License-Identifier: MIT
local pace = 0.15 -- seconds a host takes for each reply: servers do, and it shows who waits for whom

local script = {
  zones = {
    ["company.example"] = { MX = { { 10, "mx.company.example" } } },
    ["mx.company.example"] = { A = "127.0.1.1" },
    ["nomail.example"] = { MX = { { 0, "." } } },
    ["second.example"] = { MX = { { 10, "mx1.second.example" }, { 20, "mx2.second.example" } } },
    ["mx1.second.example"] = { A = "127.0.2.1" },
    ["mx2.second.example"] = { A = "127.0.2.2" },
    ["xn--bcher-kva.example"] = { MX = { { 10, "mx.company.example" } } },
    ["silent.example"] = { MX = { { 10, "mx.silent.example" } } },
    ["mx.silent.example"] = { A = "127.0.3.1" },
    ["refusing.example"] = { rcode = "REFUSED" },
    ["wary.example"] = { MX = { { 10, "mx.wary.example" } } },
    ["mx.wary.example"] = { A = "127.0.4.1" },
    ["listing.example"] = { MX = { { 10, "mx.listing.example" } } },
    ["mx.listing.example"] = { A = "127.0.4.2" },
    ["gray.example"] = { MX = { { 10, "mx.gray.example" } } },
    ["mx.gray.example"] = { A = "127.0.5.1" },
    ["misled.example"] = { MX = { { 10, "mx.misled.example" } } },
    ["mx.misled.example"] = { A = "192.168.0.25" },
  },
  hosts = {
    { ip = "127.0.1.1", name = "mx.company.example", delay = pace,
      rcpt = {
        ["alice@company.example"] = "250 2.1.5 Ok",
        ["full@company.example"] = "452 4.2.2 The mailbox is over its quota",
        ["left@company.example"] = "550 5.2.1 This mailbox has been disabled",
        ["user@xn--bcher-kva.example"] = "250 2.1.5 Ok",
        ["*"] = "550 5.1.1 Recipient address rejected: User unknown in virtual mailbox table",
      } },
    { ip = "127.0.2.1", name = "mx1.second.example", refuse = true },
    { ip = "127.0.2.2", name = "mx2.second.example", delay = pace,
      greeting = "220 mx2.second.example ESMTP ready\nthis is the second host of second.example",
      rcpt = { ["bob@second.example"] = "250 2.1.5 Recipient ok" } },
    { ip = "127.0.3.1", name = "mx.silent.example", greeting = { silence = true } },
    { ip = "127.0.4.1", name = "mx.wary.example", delay = pace,
      greeting = { "554 5.7.1 Your IP address has a poor reputation, access denied", { close = true } } },
    { ip = "127.0.4.2", name = "mx.listing.example", delay = pace,
      rcpt = "550 5.7.1 Service unavailable; client host [192.0.2.9] blocked using bl.example" },
    { ip = "127.0.5.1", name = "mx.gray.example", delay = pace,
      rcpt = "451 4.7.1 Greylisted, please try again in 300 seconds" },
  },
}

local rows = {
  { "alice@company.example", "deliverable", "accepted" },
  { "bob@second.example", "deliverable", "accepted", host = "mx2.second.example", shown = true },
  { "user@bücher.example", "deliverable", "accepted" },
  { "full@company.example", "risky", "mailbox_full" },
  { "nobody@company.example", "undeliverable", "mailbox_unknown" },
  { "left@company.example", "undeliverable", "mailbox_disabled" },
  { "user@nowhere.example", "undeliverable", "domain_not_found" },
  { "user@nomail.example", "undeliverable", "null_mx" },
  { "user@misled.example", "undeliverable", "bogus_mx" },
  { "two..dots@company.example", "undeliverable", "syntax" },
  { "user@silent.example", "unknown", "timeout" },
  { "user@refusing.example", "unknown", "dns_failure" },
  { "user@wary.example", "unknown", "blocked" },
  { "user@listing.example", "unknown", "blocked" },
  { "new@gray.example", "unknown", "greylisted" },
  { "alice@company.example", "unknown", "not_asked", options = { level = "dns" }, passed = true },
}

-- Nobody wants to wait for a demo: a silent host is given up after this many seconds.
local patience = 2

return { script = script, rows = rows, patience = patience }
