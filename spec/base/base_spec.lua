-- src/base is below Lua's reach: a small C program tests it.
local program = require "spec.support.program"

describe("base", program.tests(it, {
  name = "base_test", sources = { "spec/base/base_test.c", "src/base/*.c" }, tests = 9,
}))
