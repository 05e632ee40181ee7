-- Certificates of a mail world, made by the `openssl` command into its own folder: ECDSA P-256, a
-- few milliseconds each, so that each world makes its own and leaves none behind.
--
-- All are for all hosts of the world at once (every name is a subjectAltName), made when first
-- asked for. The CA is the world's own: ca.pem in its folder. The kinds:
--   good          signed by the CA              expired      so, and over since 2021
--   self-signed   by its own key                wrong-name   signed by the CA, for other.example
--   big           self-signed, with an extension of `size` octets
-- SPDX-License-Identifier: MIT
-- luacheck: std lua54
local certs = {}
certs.__index = certs

local KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -batch"
local SIGNED = "openssl req -x509 " .. KEY .. " -config req.cnf -CA ca.pem -CAkey ca.key -days 30 "
  .. "-keyout %s.pem.key -out %s.pem"

-- What the shell does for each kind; %s is the file's name without ".pem".
local COMMANDS = {
  ca = "openssl req -x509 " .. KEY .. " -config ca.cnf -extensions ca_part -days 3650 -keyout ca.key -out ca.pem",
  good = SIGNED,
  ["wrong-name"] = SIGNED,
  ["self-signed"] = "openssl req -x509 " .. KEY .. " -config req.cnf -days 30 -keyout %s.pem.key -out %s.pem",
  expired = "openssl req -new " .. KEY .. " -config req.cnf -keyout %s.pem.key -out expired.csr && "
    .. ": >index && openssl ca -batch -config ca.cnf -in expired.csr -out %s.pem -notext "
    .. "-create_serial -startdate 20200101000000Z -enddate 20210101000000Z",
}
COMMANDS.big = COMMANDS["self-signed"]

local CA_CONFIG = [[
[req]
distinguished_name = name
prompt = no
[name]
CN = CA of a mail world
[ca_part]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ca]
default_ca = ours
[ours]
database = index
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
]]

local function save(path, ...)
  local file = assert(io.open(path, "wb"))
  file:write(...)
  file:close()
end

--- Certificates in `folder` for hosts of these names.
function certs.new(folder, names)
  return setmetatable({ folder = folder, names = names, made = {} }, certs)
end

function certs:run(command)
  local log = self.folder .. "/openssl.log"
  local ok = os.execute(("cd '%s' && { %s; } >'%s' 2>&1"):format(self.folder, command, log))
  if not ok then
    local file = io.open(log)
    local said = file and file:read "a" or ""
    error("the openssl command made no certificate: " .. said, 0)
  end
end

-- The request's configuration: who it is for, and the ballast of a big one.
function certs:configure(names, size)
  local all = {}
  for i, name in ipairs(names) do
    all[i] = "DNS:" .. name
  end
  local ballast = ""
  if size then -- an OCTET STRING under an OID of nobody's
    ballast = ("1.3.6.1.4.1.99999.1 = DER:0484%08x"):format(size) .. ("61"):rep(size)
  end
  save(self.folder .. "/req.cnf", "[req]\ndistinguished_name = name\nprompt = no\nx509_extensions = parts\n",
    "req_extensions = parts\n[name]\nCN = ", names[1]:sub(1, 64), "\n[parts]\nsubjectAltName = ",
    table.concat(all, ","), "\n", ballast, "\n")
end

--- The files of a kind: certificate, key.
function certs:files(kind, size)
  if not COMMANDS[kind] or kind == "ca" then
    error("no such certificate: " .. tostring(kind), 0)
  end
  size = kind == "big" and (size or 10485760) or nil
  local name = kind .. (size or "")
  if not self.made.ca then
    save(self.folder .. "/ca.cnf", CA_CONFIG)
    self:run(COMMANDS.ca)
    self.made.ca = true
  end
  if not self.made[name] then
    self:configure(kind == "wrong-name" and { "other.example" } or self.names, size)
    self:run((COMMANDS[kind]:gsub("%%s", name)))
    self.made[name] = true
  end
  local file = self.folder .. "/" .. name .. ".pem"
  return file, file .. ".key"
end

return certs
