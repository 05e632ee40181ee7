-- The SOCKS5 dialogue has no Lua face: a small C program tests it.
local program = require "spec.support.program"

describe("wire/socks", program.tests(it, {
  name = "socks_test", sources = { "spec/wire/socks_test.c", "src/wire/socks.c" }, tests = 14,
}))
