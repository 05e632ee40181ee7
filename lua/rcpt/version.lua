--- The version, in its one place.
-- @module rcpt.version
return "0.1.0"
