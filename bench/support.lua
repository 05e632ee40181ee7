--- What the benches share: medians, the machine's class, a table of figures.
local jit = rawget(_G, "jit")
local support = {}

--- The middle value of a list (the lower of two).
function support.median(list)
  local sorted = {}
  for i, v in ipairs(list) do sorted[i] = v end
  table.sort(sorted)
  return sorted[math.floor((#sorted + 1) / 2)]
end

--- First match of a pattern in a file, or "?".
function support.peek(path, pattern)
  local file = io.open(path)
  if not file then return "?" end
  local text = file:read("*a")
  file:close()
  return text:match(pattern) or "?"
end

--- One line on the machine the figures come from.
function support.machine()
  local _, cores = support.peek("/proc/cpuinfo", ".*"):gsub("processor%s*:", "")
  return string.format("%d cores %s, Linux %s, %s", cores,
    support.peek("/proc/cpuinfo", "model name%s*:%s*([^\n]+)"), support.peek("/proc/sys/kernel/osrelease", "[%d.]+"),
    jit and jit.version or _VERSION)
end

--- What a command prints; raises when it fails.
function support.output(command)
  local pipe = assert(io.popen(command .. " && echo . ", "r"))
  local text = pipe:read("*a")
  pipe:close()
  return (assert(text:match("^(.*)%.\n$"), "failed: " .. command .. "\n" .. text))
end

--- Compile one C file with our objects' flags; returns the program's path.
function support.compile(name, flags)
  local build = (os.getenv("BUILD") or "build") .. "/bench"
  support.output(("mkdir -p %s && ${CC:-cc} -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Isrc -o %s/%s bench/%s.c %s")
    :format(build, build, name, name, flags or ""))
  return build .. "/" .. name
end

return support
