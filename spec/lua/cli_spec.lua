--- bin/rcpt as a whole: how it is found, called wrongly, helped, and what it does to its output.
local cli = require "spec.support.cli"

local function with_words(command, words)
  local args = { command }
  for word in words:gmatch("%S+") do args[#args + 1] = word end
  return args
end

describe("bin/rcpt", function()
  after_each(cli.sweep)

  describe("where it runs", function()
    it("runs from another folder, through a link that stands elsewhere, and through a link to its folder", function()
      local got = cli.sh(([[
        here=$(pwd) && there=$(mktemp -d) && cd "$there" &&
        ln -s "$here/bin/rcpt" lonely && ln -s lonely again && ln -s "$here/bin" folder &&
        for name in "$here/bin/rcpt" ./lonely again folder/rcpt; do %s "$name" --version; done
        cd / && rm -r "$there"]]):format(cli.lua))
      local said = cli.lines(got.out)
      assert.equal(4, #said, got.err)
      for i = 1, 4 do assert.matches("^rcpt %d+%.%d+%.%d+ %(Lua", said[i]) end
    end)

    it("needs no setting, and takes no module from the folder it is run in", function()
      local got = cli.sh(([[
        here=$(pwd) && there=$(mktemp -d) && cd "$there" && mkdir rcpt &&
        for name in argparse cjson rcpt/core; do echo 'error "a stranger"' >$name.lua; done
        env -u LUA_PATH -u LUA_CPATH %s "$here/bin/rcpt" parse --json a@b.example; echo $?
        cd / && rm -r "$there"]]):format(cli.lua))
      assert.equal("", got.err)
      assert.matches('^{"address":"a@b.example","valid":true,.*}\n0\n$', got.out)
    end)

    it("says what to do where it was not built", function()
      local got = cli.run({ "--version" }, { env = { "RCPT_BUILD=nowhere" } })
      assert.equal(3, got.code)
      assert.matches("run `make all` first", got.err, 1, true)
      assert.equal("", got.out)
    end)
  end)

  describe("wrong use", function()
    local function refused(args, ...)
      local got = cli.run(args)
      assert.equal(2, got.code, got.err)
      assert.equal("", got.out)
      for _, text in ipairs { ... } do
        assert.truthy(got.err:find(text, 1, true), ("%q is not in: %s"):format(text, got.err))
      end
    end

    it("names the nearest option", function()
      refused(with_words("validate", "--helloo x a@b.example"), "unknown option '--helloo'; did you mean '--helo'?")
      refused(with_words("parse", "--jsn a@b.example"), "unknown option '--jsn'; did you mean '--json'?")
      refused({ "--versoin" }, "unknown option '--versoin'; did you mean '--version'?")
    end)

    it("names no option where none is near", function()
      local got = cli.run { "parse", "--frobnicate", "a@b.example" }
      assert.equal(2, got.code)
      assert.matches("unknown option '--frobnicate'\n", got.err, 1, true)
    end)

    it("names the nearest command, and what there is", function()
      refused({ "validte" }, "unknown command 'validte'; did you mean 'validate'?")
      refused({}, "a command is missing", "validate", "parse", "classify")
      refused({ "help", "clasify" }, "did you mean 'classify'?")
    end)

    it("does not offer the commands of later versions", function()
      for _, name in ipairs { "bulk", "preflight", "respond", "vet", "serve", "bounce" } do
        refused({ name }, ("unknown command '%s'"):format(name))
      end
    end)

    it("says all that is missing at level rcpt, and only what is", function()
      refused(with_words("validate", "--level rcpt a@b.example"), "--helo", "--sender")
      refused(with_words("validate", "a@b.example --helo probe.example"), "--sender")
      refused(with_words("validate", "a@b.example --sender u@probe.example"), "--helo")
      local got = cli.run(with_words("validate", "a@b.example --helo probe.example"))
      assert.falsy(got.err:find("--helo", 1, true))
    end)

    it("says so when the sender or the name is none, in the words of the command line", function()
      refused({ "validate", "--helo", "localhost", "--sender", "<>", "a@b.example" }, "option '--helo' must be")
      refused({ "validate", "--helo", "probe.example", "--sender", "u@", "a@b.example" }, "option '--sender' must be")
    end)

    it("checks each value, with the name of its option", function()
      local rows = {
        "--level dsn", "--port 0", "--port 65536", "--port abc", "--port 2.5", "--timeout 0", "--timeout x",
        "--timeout 1e9", "--concurrency 0", "--nameserver mx.example", "--nameserver 127.0.0.1:0", "--source 1.2.3",
        "--allow-net 127.0.0.0/33", "--without dinner", "--store sqlite:here", "--store redis://here",
      }
      for _, row in ipairs(rows) do
        local option = row:match("^%S+")
        refused(with_words("validate", (row:find("level") and "" or "--level syntax ") .. row .. " a@b.example"),
          ("option '%s'"):format(option))
      end
    end)

    it("takes one source a family", function()
      refused(with_words("validate", "--level syntax --source 127.0.0.1 --source 127.0.0.2 a@b.example"),
        "option '--source' takes one address a family")
    end)

    it("wants an address, and `-` alone", function()
      refused({ "parse" }, "an address is missing")
      refused({ "validate", "--level", "syntax" }, "an address is missing")
      refused({ "parse", "a@b.example", "-" }, "`-` stands alone")
      refused({ "parse", "--json-lines", "a@b.example" }, "takes no address")
      refused({ "classify", "550" }, "takes no argument")
    end)

    it("wants the value of an option that has one, and none of a flag", function()
      refused({ "validate", "--level" }, "option '--level' requires an argument")
      refused({ "parse", "--json=yes", "a@b.example" }, "option '--json' does not take arguments")
    end)

    it("does nothing to the terminal with what was typed", function()
      local got = cli.run { "validate", "--level", "\27[31mred\r", "a@b.example" }
      assert.equal(2, got.code)
      assert.falsy(got.err:find("[\27\r]"))
      assert.truthy(got.err:find("\\x1b[31mred\\x0d", 1, true))
    end)
  end)

  describe("help and version", function()
    it("tells the version of the module", function()
      local got = cli.run { "--version" }
      assert.equal(0, got.code)
      assert.equal("rcpt " .. require "rcpt.version", got.out:match("^%S+ %S+"))
    end)

    it("fits 80 columns, for each command, and is the same by `help` and `--help`", function()
      for _, name in ipairs { "validate", "parse", "classify" } do
        local got = cli.run { "help", name }
        assert.equal(0, got.code)
        assert.matches("^Usage: rcpt " .. name, got.out)
        assert.equal(got.out, cli.run({ name, "--help" }).out)
        for _, line in ipairs(cli.lines(got.out)) do assert.truthy(#line <= 80, line) end
      end
      assert.equal(cli.run({ "help" }).out, cli.run({ "--help" }).out)
    end)

    it("lists each option that is taken, and the manual does", function()
      local file = assert(io.open("doc/rcpt.1"))
      local manual = file:read("*a")
      file:close()
      local groups = require("rcpt.cli.options").groups
      local texts = cli.run({ "help", "validate" }).out .. cli.run({ "help", "parse" }).out
      for _, group in pairs(groups) do
        for _, row in ipairs(group) do
          assert.truthy(texts:find("\n   " .. row[1], 1, true), row[1] .. " is not in the help")
          assert.truthy(manual:find("\n.It Fl " .. row[1]:sub(2), 1, true), row[1] .. " is not in the manual")
        end
      end
    end)
  end)

  describe("its output", function()
    it("ends without a word when its reader leaves", function()
      local many = {}
      for i = 1, 20000 do many[i] = ("user%d@company.example"):format(i) end
      local from = cli.file(table.concat(many, "\n"))
      for _, how in ipairs { "", "trap '' PIPE; " } do
        local got = cli.sh(("{ %s%s <%s; echo code $? >&2; } | head -n 1"):format(how,
          cli.command { "parse", "--json", "-" }, from))
        assert.matches('^{"address":"user1@company.example"', got.out)
        assert.equal("code 141\n", got.err)
      end
    end)

    it("says so when it cannot be written", function()
      local got = cli.sh(cli.command { "parse", "--json", "a@b.example" } .. " >/dev/full")
      assert.equal(3, got.code)
      assert.matches("cannot write: No space left on device", got.err, 1, true)
    end)

    it("has colour on a terminal, unless told otherwise", function()
      local function on_terminal(env, ...)
        return cli.sh(("script -qec %s /dev/null </dev/null"):format(cli.quote(cli.command({ "parse", ... }, env)))).out
      end
      assert.matches("\27%[32m", on_terminal({ "TERM=xterm" }, "a@b.example"))
      assert.falsy(on_terminal({ "TERM=xterm" }, "--no-color", "a@b.example"):find("\27"))
      assert.falsy(on_terminal({ "TERM=xterm", "NO_COLOR=1" }, "a@b.example"):find("\27"))
      assert.falsy(on_terminal({ "TERM=dumb" }, "a@b.example"):find("\27"))
      assert.falsy(cli.run({ "parse", "a@b.example" }, { env = { "TERM=xterm" } }).out:find("\27"))
    end)

    it("fits a terminal of 80 columns", function()
      local long = ("x"):rep(60) .. "@" .. ("sub."):rep(40) .. "company.example"
      local got = cli.sh(("script -qec %s /dev/null </dev/null"):format(cli.quote(
        "stty cols 80; " .. cli.command({ "parse", "--no-color", long, long }, { "TERM=xterm" }))))
      local text, rows = require "rcpt.cli.text", cli.lines((got.out:gsub("\r", "")))
      assert.equal(3, #rows)
      for _, row in ipairs(rows) do assert.truthy(text.width(row) <= 80, row) end
      assert.truthy(rows[2]:find("…", 1, true))
    end)
  end)
end)

describe("doc/cli.md", function()
  after_each(cli.sweep)
  local file = assert(io.open("doc/cli.md"))
  local text = file:read("*a")
  file:close()
  for block in text:gmatch("```console\n(.-)```") do
    local commands = {}
    for line in block:gmatch("([^\n]*)\n") do
      local command = line:match("^%$ (.*)")
      if command then
        commands[#commands + 1] = { command, "" }
      else
        commands[#commands][2] = commands[#commands][2] .. line .. "\n"
      end
    end
    for _, pair in ipairs(commands) do
      it("tells truly: " .. pair[1], function()
        local got = cli.sh(("rcpt() { %s \"$@\"; }\n{ %s\n} 2>&1"):format(cli.command {}, pair[1]))
        assert.equal((pair[2]:gsub("took     %S+ s", "took")), (got.out:gsub("took     %S+ s", "took")))
      end)
    end
  end
end)
