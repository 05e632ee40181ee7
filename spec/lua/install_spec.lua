--- make install puts things where they work from, and uninstall takes exactly them away.
local cli = require "spec.support.cli"

local SH = [[
build=${RCPT_BUILD:-build}
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
prefix="/opt/a place"
do_it() { BUILD="$build" PREFIX="$prefix" DESTDIR="$there" ABIS=$abi sh check/install.sh "$@"; }
rcpt() { (cd / && env -u RCPT_BUILD -u LUA_PATH -u LUA_CPATH $lua "$there$prefix/bin/rcpt" "$@"); }
mkdir -p "$there$prefix/share/lua/$abi/rcpt" "$there$prefix/bin"
echo mine >"$there$prefix/share/lua/$abi/rcpt/mine.lua"
echo mine >"$there$prefix/bin/other"
]]

local ABI = _VERSION:match("%d%.%d")

local function in_place(script)
  return cli.sh(("abi=%s lua=%s\n"):format(ABI, cli.lua) .. SH .. script)
end

describe("make install", function()
  after_each(cli.sweep)

  it("puts a command that works from there, without the tree, and the manual", function()
    local got = in_place [[
      do_it && rcpt --version && rcpt parse --json a@b.example && rcpt validate --level syntax --json a@b.example &&
      ln -s "$there$prefix/bin/rcpt" "$there/link" && "$there/link" --help >/dev/null; echo $?
      rcpt parse --json a@b.example | cut -c-24
      cd "$there$prefix" && find . -type f | sed 's/[.][0-9][.0-9]*//' | sort]]
    local text = got.out
    assert.matches("^rcpt %d+%.%d+%.%d+ ", text, nil, got.err)
    for _, path in ipairs { "./bin/rcpt", "./share/man/man1/rcpt", "./share/doc/rcpt/LICENSE" } do
      assert.truthy(text:find("\n" .. path .. "\n", 1, true), path .. " is not in " .. text .. got.err)
    end
    assert.truthy(text:find('"passed":true', 1, true), got.err)
    assert.truthy(text:find('{"address":"a@b.example"', 1, true))
  end)

  it("is undone by uninstall, which leaves what is not ours", function()
    local got = in_place [[
      do_it && do_it && do_it remove && do_it remove && cd "$there$prefix" && find . -type f | sort
      find . -type d -name doc -o -type d -name rcpt | sort]]
    assert.equal(("./bin/other\n./share/lua/%s/rcpt/mine.lua\n./share/doc\n./share/lua/%s/rcpt\n"):format(ABI, ABI),
      got.out, got.err)
  end)

  it("says so where nothing was built", function()
    local got = in_place "build=nowhere; do_it"
    assert.equal(3, got.code)
    assert.matches("run `make all` first", got.err, 1, true)
  end)
end)
