--- What was learnt of mail hosts while asking them, for an hour.
-- Bounded: two generations of at most so many hosts; what nobody looked at for a generation is forgotten.
-- @module rcpt.facts
local core = require "rcpt.core"
local setmetatable = setmetatable
local now = core.now
local Facts = {}
Facts.__index = Facts
local facts = {}

local HOSTS_MAX = 4096
local KEPT = 3600

-- What a host is of whom nothing is known; never written to.
local NOTHING = setmetatable({}, { __newindex = function() error("facts are learnt with learn()") end })

--- @treturn Facts
function facts.new() return setmetatable({ young = {}, old = {}, n = 0 }, Facts) end

--- What is known of a host.
-- @tparam string key
-- @treturn table to read from: `limit` (recipients a session), `lost_at` (recipients after which a session was lost),
--   `is_clear` and `why` (its TLS does not work), `has_no_vrfy`, `most` (sessions it lets us have) and until when that
--   is `believed`
function Facts:of(key)
  local known = self.young[key] or self.old[key]
  if not known then return NOTHING end
  if now() < known.until_ then return known end
  self.young[key], self.old[key] = nil, nil
  return NOTHING
end

--- Learn of a host.
-- @tparam string key
-- @tparam string name of what
-- @param value
-- @treturn table what is known of it now
function Facts:learn(key, name, value)
  local known = self:of(key)
  if known == NOTHING then known = { until_ = now() + KEPT } end
  if not self.young[key] then
    if self.n >= HOSTS_MAX then self.old, self.young, self.n = self.young, {}, 0 end
    self.young[key], self.n = known, self.n + 1
  end
  known[name] = value
  return known
end

return facts
