--- Replies classified a second, through core.classify with the table it is given.
-- The replies are those of spec/vectors/meanings.tsv; the ceiling we aim at is 20 us a reply. The floor
-- looks the code up in a table and knows nothing of words. "a thousand bytes" is the worst that is read.
local support = require "bench.support"
local vectors = require "spec.support.vectors"
local core = require "rcpt.core"

local replies = {}
for _, row in ipairs(vectors.load("spec/vectors/meanings.tsv")) do
  local stage, code, enhanced, text = row.input:match("^(%l+) (%d+) (%S+) ?(.*)$")
  replies[#replies + 1] = { stage = stage, code = tonumber(code), text = text,
    enhanced = enhanced ~= "-" and enhanced or nil }
end

local long = {}
for i, words in ipairs { "your message to this user was not taken because ", "sender too many user ptr ",
  "a b c d e f g h i j k l m n o p q r s t u v w x y z ", "http://www.example.com/?p=x <a@b.example> " } do
  long[i] = { code = 554, text = words:rep(25):sub(1, 1020) }
end

local codes = { [450] = "temporary", [550] = "mailbox_unknown" }
local function floor(reply) return codes[reply.code] or "unclassified" end

--- Microseconds a call; the median of three rounds. What is kept cannot be optimised away.
local function cost(fn, list)
  local figures = {}
  for round = 1, 3 do
    local n, start = 0, os.clock()
    local spent
    repeat
      for _ = 1, 10 do
        for i = 1, #list do support.kept = fn(list[i]) end
      end
      n = n + 10 * #list
      spent = os.clock() - start
    until spent > 0.3
    figures[round] = spent / n * 1e6
  end
  return support.median(figures)
end

print(("what a reply means, us a reply, %d phrases; %s"):format(#core.phrases(), support.machine()))
for _, row in ipairs {
  { "floor: the code in a table", floor, replies },
  { ("core.classify, %d replies"):format(#replies), core.classify, replies },
  { "core.classify, a thousand bytes", core.classify, long },
} do
  print(("  Lua  %-34s %12.2f"):format(row[1], cost(row[2], row[3])))
end
