-- io/tls.c has no Lua face of its own: C programs test it against a server of OpenSSL's in the same process.
local program = require "spec.support.program"

local function test(name, count)
  return program.tests(it, {
    name = name, packages = { "openssl" }, tests = count,
    sources = { ("spec/io/%s.c"):format(name), "spec/io/tls_peer.c", "src/io/tls.c", "src/io/tls_context.c",
                "src/base/*.c" },
  })
end

describe("io/tls", test("tls_test", 18))
describe("io/tls and hostile servers:", test("tls_hostile_test", 13))
