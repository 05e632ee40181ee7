std = "min"
max_line_length = 120
files["spec"] = { std = "min+busted" }
files["lua/rcpt/types.lua"] = { ignore = { "2.." } }
