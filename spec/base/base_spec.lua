-- src/base is below Lua's reach: a small C program tests it, and each line it prints is a test here.
local build = (os.getenv("RCPT_BUILD") or "build") .. "/spec"

local function run()
  local flags = os.getenv("RCPT_PRELOAD") or ""
  flags = flags ~= "" and "-fsanitize=address,undefined" or ""
  local program = build .. "/base_test"
  local command = ("mkdir -p %s && ${CC:-cc} -std=c11 -O1 -g -Wall -Wextra -Werror %s -Isrc -o %s "
    .. "spec/base/base_test.c src/base/*.c 2>&1 && %s 2>&1"):format(build, flags, program, program)
  local pipe = assert(io.popen("env -u LD_PRELOAD sh -c '" .. command .. "'"))
  local out = pipe:read("*a")
  pipe:close()
  return out
end

describe("base", function()
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
    assert.equal(9, count, out)
  end)
end)
