-- `luarocks make rockspec/rcpt-scm-1.rockspec`, offline: nothing is fetched. For LuaJIT: --lua-version 5.1 and
-- LUA_INCDIR= where its lua.h is. bin/rcpt also needs the Lua modules argparse and cjson (Debian: lua-argparse,
-- lua-cjson); the library does not, so they are not listed below, where luarocks would go and fetch them.
rockspec_format = "3.0"
package = "rcpt"
version = "scm-1"
source = { url = "git+file://." }
description = {
  summary = "Asks a domain's own mail servers whether a mailbox exists, without sending anything",
  detailed = [=[
A C core with non-blocking DNS and SMTP, and a Lua face whose validate() reads as if it blocked.]=],
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.1" } -- 5.4, or 5.1 which is LuaJIT's
external_dependencies = {
  CARES = { header = "ares.h" },
  IDN2 = { header = "idn2.h" },
  UNISTRING = { header = "uninorm.h" },
  OPENSSL = { header = "openssl/ssl.h" },
}
build = {
  type = "builtin",
  modules = {
    ["rcpt.core"] = {
      sources = {
        "src/base/buf.c", "src/base/err.c", "src/base/heap.c", "src/base/mem.c", "src/border/border.c",
        "src/border/l_address.c", "src/border/l_client.c", "src/border/l_engine.c", "src/border/l_job.c",
        "src/border/l_meaning.c", "src/border/l_resolver.c", "src/border/l_session.c",
        "src/engine/answers.c", "src/engine/ask.c", "src/engine/dial.c", "src/engine/engine.c",
        "src/engine/flight.c", "src/engine/input.c", "src/engine/lookup.c", "src/engine/nap.c",
        "src/engine/proxy.c", "src/engine/record.c", "src/engine/session.c", "src/engine/talk.c",
        "src/engine/trust.c", "src/engine/wrap.c", "src/io/clock.c", "src/io/dns.c", "src/io/message.c",
        "src/io/nameservers.c", "src/io/poller_epoll.c", "src/io/process.c", "src/io/sock.c",
        "src/io/tls.c", "src/io/tls_context.c", "src/wire/address.c", "src/wire/client.c",
        "src/wire/codes.c", "src/wire/command.c", "src/wire/diagnosis.c", "src/wire/dialogue.c",
        "src/wire/domain.c", "src/wire/literal.c", "src/wire/meaning.c", "src/wire/octet.c",
        "src/wire/offers.c", "src/wire/phrases.c", "src/wire/reply.c", "src/wire/socks.c",
        "src/wire/special.c", "src/wire/unicode.c", "src/wire/words.c",
      },
      defines = { "_GNU_SOURCE" },
      incdirs = { "src", "$(CARES_INCDIR)", "$(IDN2_INCDIR)", "$(UNISTRING_INCDIR)", "$(OPENSSL_INCDIR)" },
      libdirs = { "$(CARES_LIBDIR)", "$(IDN2_LIBDIR)", "$(UNISTRING_LIBDIR)", "$(OPENSSL_LIBDIR)" },
      libraries = { "cares", "idn2", "unistring", "ssl", "crypto", "resolv" },
    },
    ["rcpt.call"] = "lua/rcpt/call.lua",
    ["rcpt.cli"] = "lua/rcpt/cli.lua",
    ["rcpt.cli.card"] = "lua/rcpt/cli/card.lua",
    ["rcpt.cli.classify"] = "lua/rcpt/cli/classify.lua",
    ["rcpt.cli.color"] = "lua/rcpt/cli/color.lua",
    ["rcpt.cli.config"] = "lua/rcpt/cli/config.lua",
    ["rcpt.cli.json"] = "lua/rcpt/cli/json.lua",
    ["rcpt.cli.lines"] = "lua/rcpt/cli/lines.lua",
    ["rcpt.cli.options"] = "lua/rcpt/cli/options.lua",
    ["rcpt.cli.out"] = "lua/rcpt/cli/out.lua",
    ["rcpt.cli.parse"] = "lua/rcpt/cli/parse.lua",
    ["rcpt.cli.table"] = "lua/rcpt/cli/table.lua",
    ["rcpt.cli.term"] = "lua/rcpt/cli/term.lua",
    ["rcpt.cli.text"] = "lua/rcpt/cli/text.lua",
    ["rcpt.cli.validate"] = "lua/rcpt/cli/validate.lua",
    ["rcpt.cli.verdict"] = "lua/rcpt/cli/verdict.lua",
    ["rcpt.driver.plain"] = "lua/rcpt/driver/plain.lua",
    ["rcpt.drivers"] = "lua/rcpt/drivers.lua",
    ["rcpt.each"] = "lua/rcpt/each.lua",
    ["rcpt.evidence"] = "lua/rcpt/evidence.lua",
    ["rcpt.facts"] = "lua/rcpt/facts.lua",
    ["rcpt.group"] = "lua/rcpt/group.lua",
    ["rcpt.hub"] = "lua/rcpt/hub.lua",
    ["rcpt.identity"] = "lua/rcpt/identity.lua",
    ["rcpt"] = "lua/rcpt/init.lua",
    ["rcpt.lease"] = "lua/rcpt/lease.lua",
    ["rcpt.nets"] = "lua/rcpt/nets.lua",
    ["rcpt.options"] = "lua/rcpt/options.lua",
    ["rcpt.pool"] = "lua/rcpt/pool.lua",
    ["rcpt.probe"] = "lua/rcpt/probe.lua",
    ["rcpt.question"] = "lua/rcpt/question.lua",
    ["rcpt.queue"] = "lua/rcpt/queue.lua",
    ["rcpt.route"] = "lua/rcpt/route.lua",
    ["rcpt.spelling"] = "lua/rcpt/spelling.lua",
    ["rcpt.types"] = "lua/rcpt/types.lua",
    ["rcpt.validator"] = "lua/rcpt/validator.lua",
    ["rcpt.verdict"] = "lua/rcpt/verdict.lua",
    ["rcpt.version"] = "lua/rcpt/version.lua",
  },
  install = { bin = { rcpt = "bin/rcpt" } },
}
