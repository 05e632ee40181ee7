--- Specs written in C, for what is below Lua's reach: a small program is compiled and run, and each line it
-- prints ("ok NAME", "not ok NAME: WHY"; see check.h) is a test of busted's. Under ASan when the specs are,
-- under valgrind likewise.
local assert = require "luassert"

local program = {}

local function run(options)
  local build = (os.getenv("RCPT_BUILD") or "build") .. "/spec"
  local path = build .. "/" .. options.name
  local sanitized = (os.getenv("RCPT_PRELOAD") or "") ~= ""
  local libraries = options.packages
    and ("$(${PKG:-pkg-config} --cflags --libs %s)"):format(table.concat(options.packages, " ")) or ""
  local compile = ("mkdir -p %s && ${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror %s -Isrc -I. "
    .. "-o %s %s %s -lresolv"):format(build, sanitized and "-fsanitize=address,undefined" or "", path,
    table.concat(options.sources, " "), libraries)
  local under = os.getenv("RCPT_VALGRIND")
    and "valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=9 " or ""
  local pipe = io.popen(("env -u LD_PRELOAD -u ASAN_OPTIONS sh -c '(%s && %s%s) 2>&1; echo exit $?'")
    :format(compile, under, path))
  local out = pipe:read("*a")
  pipe:close()
  return out
end

--- What to give `describe`: runs a C program and tells its tests.
-- @tparam function it busted's, which only a spec file can see
-- @tparam table options `name` of the program, `sources` and `packages` (pkg-config's) as lists, `tests`: how
-- many lines it must print
-- @treturn function
function program.tests(it, options)
  return function()
    local out = run(options)
    local count = 0
    for line in out:gmatch("[^\n]+") do
      local verdict, name = line:match("^(n?o?t? ?ok) ([^\n]+)$")
      if verdict then
        count = count + 1
        it(name, function() assert.equal("ok", verdict, line) end)
      end
    end
    it("runs every test of the C program, and nothing leaks", function()
      assert.equal(options.tests, count, out)
      assert.equal("0", out:match("exit (%d+)%s*$"), out)
    end)
  end
end

return program
