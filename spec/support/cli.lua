--- Runs bin/rcpt as a user does: another process, its output and exit code.
local cli = {}

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end
cli.quote = quote

--- The interpreter these specs run on, which bin/rcpt is run with too.
cli.lua = os.getenv("RCPT_LUA") or (rawget(_G, "jit") and "luajit" or "lua5.4")

local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local all = file:read("*a")
  file:close()
  return all
end
cli.slurp = slurp

--- A file for the time of one test; removed by `cli.sweep`.
local made = {}
function cli.file(content)
  local path = os.tmpname()
  made[#made + 1] = path
  if content then
    local file = assert(io.open(path, "wb"))
    file:write(content)
    file:close()
  end
  return path
end

function cli.sweep()
  for i = #made, 1, -1 do
    os.remove(made[i])
    made[i] = nil
  end
end

--- The words of a command line for sh, without redirections.
-- Settings that would change the output are not inherited.
function cli.command(args, env)
  local words = { "env", "-u", "COLUMNS", "-u", "NO_COLOR" }
  for _, pair in ipairs(env or {}) do words[#words + 1] = quote(pair) end
  words[#words + 1] = cli.lua
  words[#words + 1] = "bin/rcpt"
  for _, word in ipairs(args) do words[#words + 1] = quote(word) end
  return table.concat(words, " ")
end

--- Run a line of sh: its output, its complaints, its exit code.
function cli.sh(line)
  local out, err = cli.file(), cli.file()
  local pipe = assert(io.popen(("{ %s\n} >%s 2>%s; echo $?"):format(line, out, err), "r"))
  local code = tonumber(pipe:read("*l"))
  pipe:close()
  return { out = slurp(out), err = slurp(err), code = code }
end

--- Run bin/rcpt. `given`: stdin = text, env = {"NAME=value", ...}.
function cli.run(args, given)
  given = given or {}
  local from = given.stdin and cli.file(given.stdin) or "/dev/null"
  return cli.sh(cli.command(args, given.env) .. " <" .. from)
end

--- Run bin/rcpt with a pipe at each end, open while `talk(input, output)` runs. Neither end is
-- buffered on this side; `input:close()` ends the input, which ends the process; one that says nothing is
-- ended after 30 s, so that a spec fails and does not hang.
function cli.converse(args, talk)
  local folder = cli.sh("d=$(mktemp -d) && mkfifo $d/in $d/out && echo $d").out:match("%S+")
  os.execute(("timeout 30 %s <%s/in >%s/out 2>/dev/null &"):format(cli.command(args), folder, folder))
  local input, output = assert(io.open(folder .. "/in", "w")), assert(io.open(folder .. "/out", "r"))
  input:setvbuf "no"
  local ok, raised = pcall(talk, input, output)
  if io.type(input) == "file" then input:close() end
  output:close()
  os.remove(folder .. "/in")
  os.remove(folder .. "/out")
  os.remove(folder)
  if not ok then error(raised, 0) end
end

function cli.lines(text)
  local list = {}
  for line in text:gmatch("([^\n]*)\n") do list[#list + 1] = line end
  return list
end

return cli
