-- The poller, the sockets, and what of lookups Lua cannot bring about (no memory, a fork): a small C
-- program tests them.
local program = require "spec.support.program"

describe("io", program.tests(it, {
  name = "io_test",
  sources = {
    "spec/io/io_test.c", "src/base/*.c", "src/io/*.c", "src/engine/engine.c", "src/engine/trust.c",
    "src/engine/answers.c", "src/engine/flight.c", "src/engine/lookup.c",
  },
  packages = { "libcares", "openssl" },
  tests = 11,
}))
