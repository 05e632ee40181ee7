-- The poller, the sockets, and what of lookups Lua cannot bring about (no memory, a fork): a small C
-- program tests them, and each line it prints is a test here.
local build = (os.getenv("RCPT_BUILD") or "build") .. "/spec"

local SOURCES = table.concat({
  "src/base/*.c", "src/io/clock.c", "src/io/poller_epoll.c", "src/io/process.c", "src/io/sock.c",
  "src/io/message.c", "src/io/dns.c", "src/io/nameservers.c", "src/engine/engine.c", "src/engine/answers.c",
  "src/engine/flight.c", "src/engine/lookup.c",
}, " ")

local function run()
  local sanitized = (os.getenv("RCPT_PRELOAD") or "") ~= ""
  local program = build .. "/io_test"
  local command = ("mkdir -p %s && ${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror %s -Isrc -o %s "
    .. "spec/io/io_test.c %s $(${PKG:-pkg-config} --cflags --libs libcares) -lresolv 2>&1 && %s 2>&1"):format(
    build, sanitized and "-fsanitize=address,undefined" or "", program, SOURCES, program)
  local pipe = assert(io.popen("env -u LD_PRELOAD sh -c '" .. command .. "'"))
  local out = pipe:read("*a")
  pipe:close()
  return out
end

describe("io", function()
  local out = run()
  local count = 0
  for line in out:gmatch("[^\n]+") do
    local verdict, name = line:match("^(n?o?t? ?ok) ([^\n]+)$")
    if verdict then
      count = count + 1
      it(name, function() assert.equal("ok", verdict, line) end)
    end
  end
  it("runs every test of the C program", function()
    assert.equal(11, count, out)
  end)
end)
