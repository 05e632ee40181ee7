--- Reads a file of options: a piece of Lua that returns a table, run with nothing in reach.
-- @module rcpt.cli.config
local load, loadstring, setfenv = load, rawget(_G, "loadstring"), rawget(_G, "setfenv")
local open, pcall, type = io.open, pcall, type
local config = {}

local MAX = 1024 * 1024

-- Text only: a precompiled chunk can crash the interpreter. It runs in an empty environment.
local function compile(source, name)
  if source:byte(1) == 27 then return nil, name .. ": precompiled Lua is not read" end
  if not setfenv then return load(source, "@" .. name, "t", {}) end
  local chunk, message = loadstring(source, "@" .. name)
  return chunk and setfenv(chunk, {}), message
end

--- Read the file.
-- @tparam string path
-- @treturn table what the file returned; or nil, message
function config.read(path)
  local file, message = open(path, "rb")
  if not file then return nil, message end
  local source
  source, message = file:read(MAX + 1)
  file:close()
  if not source then return nil, path .. ": " .. (message or "empty") end
  if #source > MAX then return nil, path .. ": longer than a file of options can be" end
  local chunk
  chunk, message = compile(source, path)
  if not chunk then return nil, (message:gsub(" near .*$", "")) end -- what stands there may be a secret
  local ok, options = pcall(chunk)
  if not ok then return nil, type(options) == "string" and options or path .. ": failed" end
  if type(options) ~= "table" then return nil, path .. ": must return a table of options" end
  return options
end

return config
