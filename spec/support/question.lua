--- DNS questions of specs to a mail world, in octets over LuaSocket: what a resolver would see,
-- without one. Reads no more of an answer than its header. Every question has the ID 0x0709.
-- SPDX-License-Identifier: MIT
local socket = require "socket"
local question = {}

local char, floor = string.char, math.floor
local TYPES = { A = 1, CNAME = 5, MX = 15, TXT = 16, AAAA = 28 }

--- The question in octets.
function question.octets(name, kind)
  local labels = name:gsub("([^.]+)%.?", function(label) return char(#label) .. label end)
  return "\7\9\1\0\0\1\0\0\0\0\0\0" .. labels .. "\0" .. char(0, TYPES[kind], 0, 1)
end

--- The port of "127.0.0.1:port".
function question.port(server) return tonumber(server:match ":(%d+)$") end

local function u16(s, at) return s:byte(at) * 256 + s:byte(at + 1) end

--- An answer's id, rcode, truncated, and how many answers and authorities it holds.
function question.read(octets)
  return octets and {
    octets = octets, id = u16(octets, 1), rcode = octets:byte(4) % 16,
    truncated = floor(octets:byte(3) / 2) % 2 == 1, answers = u16(octets, 7), authority = u16(octets, 9),
  }
end

--- A UDP socket on which the question is on its way.
function question.send(server, name, kind, patience)
  local s = socket.udp()
  s:settimeout(patience or 5)
  s:setpeername("127.0.0.1", question.port(server))
  s:send(question.octets(name, kind))
  return s
end

--- Ask over UDP; the answer, or nil and why not.
function question.ask(server, name, kind, patience)
  local s = question.send(server, name, kind, patience)
  local octets, err = s:receive()
  s:close()
  return question.read(octets), err
end

--- Ask over TCP.
function question.ask_tcp(server, name, kind)
  local s = assert(socket.connect("127.0.0.1", question.port(server)))
  s:settimeout(5)
  local q = question.octets(name, kind)
  s:send(char(0, #q) .. q)
  local size = u16(assert(s:receive(2)), 1)
  local octets = s:receive(size)
  s:close()
  return question.read(octets)
end

return question
