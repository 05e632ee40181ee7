--- The rockspec lists what is in the tree, no more and no less.
local function found(command)
  local list = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  table.sort(list)
  return list
end

local function rockspec()
  local file = assert(io.open("rockspec/rcpt-scm-1.rockspec"))
  local source = file:read("*a")
  file:close()
  local environment = {}
  local chunk
  if rawget(_G, "setfenv") then
    chunk = rawget(_G, "setfenv")(assert(loadstring(source)), environment) -- luacheck: ignore
  else
    chunk = assert(load(source, "rockspec", "t", environment)) -- luacheck: ignore
  end
  chunk()
  return environment
end

describe("the rockspec", function()
  local rock = rockspec()
  local modules = rock.build.modules

  it("lists every C source", function()
    local listed = {}
    for i, name in ipairs(modules["rcpt.core"].sources) do listed[i] = name end
    table.sort(listed)
    assert.same(found("find src -name '*.c'"), listed)
  end)

  it("lists every Lua module under its name", function()
    local listed, wanted = {}, {}
    for name, path in pairs(modules) do
      if type(path) == "string" then listed[name] = path end
    end
    for _, path in ipairs(found("find lua -name '*.lua'")) do
      wanted[path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")] = path
    end
    assert.same(wanted, listed)
  end)

  it("asks for the libraries that the Makefile links", function()
    local makefile = assert(io.open("Makefile"))
    local text = makefile:read("*a")
    makefile:close()
    local libraries = " " .. table.concat(modules["rcpt.core"].libraries, " ") .. " "
    local of = { libcares = "cares", libidn2 = "idn2", openssl = "ssl" }
    for name in text:match("\nLIBS%s*=%s*([^\n]*)"):gmatch("%S+") do
      assert.truthy(of[name] and libraries:find(" " .. of[name] .. " ", 1, true), name)
    end
    for name in text:match("libs %$%(LIBS%)%)([^\n]*)"):gmatch("%-l(%S+)") do
      assert.truthy(libraries:find(" " .. name .. " ", 1, true), name)
    end
  end)

  it("needs nothing that luarocks would fetch", function()
    for _, name in ipairs(rock.dependencies) do assert.equal("lua", name:match("^%S+")) end
  end)

  it("installs the command", function()
    assert.same({ rcpt = "bin/rcpt" }, rock.build.install.bin)
  end)
end)
