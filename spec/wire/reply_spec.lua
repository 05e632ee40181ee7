local core = require "rcpt.core"
local vectors = require "spec.support.vectors"

-- A reply is read where the client reads its first one: the greeting.
local function read(bytes, cut)
  local client = core.client { helo = "probe.example" }
  local at, heard = 1, "nothing"
  while at <= #bytes and heard == "nothing" do
    local piece = bytes:sub(at, cut and cut >= at and cut or #bytes)
    if cut == 0 then piece = bytes:sub(at, at) end
    local used, what, err, taken = client:feed(piece)
    if not used then return err, at - 1 + taken end
    at = at + used
    if client:reply() then break end
    heard = what
  end
  local r = client:reply()
  if not r then return "more" end
  local flags = (r.mixed and " mixed" or "") .. (r.cut and " cut" or "")
  return ("%d %s %s%s"):format(r.code, r.enhanced or "-", r.text, flags), at - 1
end

describe("wire/reply", function()
  for _, row in ipairs(vectors.load("spec/vectors/replies.tsv")) do
    it(row.why .. " (line " .. row.line .. ")", function()
      assert.equal(row.expected, (read(row.input)))
    end)

    it(row.why .. ", however it is cut (line " .. row.line .. ")", function()
      local expected, taken = read(row.input)
      local got, got_taken = read(row.input, 0)
      assert.equal(expected, got)
      assert.equal(taken, got_taken)
      local step = #row.input > 500 and 61 or 1
      for cut = 1, #row.input, step do
        got, got_taken = read(row.input, cut)
        assert.equal(expected, got)
        assert.equal(taken, got_taken)
      end
    end)
  end

  it("takes a reply of RCPT_REPLY_LINES lines, and no more", function()
    assert.is_truthy(read(("250-x\r\n"):rep(127) .. "250 x\r\n"):match("^250"))
    assert.equal("toolong", (read(("250-x\r\n"):rep(128) .. "250 x\r\n")))
  end)

  it("takes one reply at a time and leaves the rest", function()
    local client = core.client { helo = "probe.example" }
    assert.equal(7, (client:feed("220 a\r\n250 b\r\n")))
  end)

  it("asks for more while the last line has not ended", function()
    assert.equal("more", (read("250-a\r\n250 b\r")))
  end)
end)
