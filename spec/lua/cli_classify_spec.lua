--- rcpt classify: replies in, meanings out.
local cjson = require "cjson"
local cli = require "spec.support.cli"

local function classify(...)
  return cli.run({ "classify" }, { stdin = table.concat({ ... }, "\n") .. "\n" })
end

describe("rcpt classify", function()
  after_each(cli.sweep)

  it("answers each line with reason, about and status", function()
    local got = classify('{"code":550,"enhanced":"5.1.1","text":"User unknown","stage":"rcpt"}',
      '{"code":250,"enhanced":null,"text":"ok"}', '{"code":450}')
    assert.equal(0, got.code, got.err)
    local rows = cli.lines(got.out)
    assert.equal(3, #rows)
    assert.equal('{"reason":"mailbox_unknown","about":"mailbox","status":"undeliverable"}', rows[1])
    assert.equal('{"reason":"accepted","about":"mailbox","status":"deliverable"}', rows[2])
    assert.equal("unknown", cjson.decode(rows[3]).status)
  end)

  it("takes the stage for rcpt where it is absent or null, and minds it where it is not", function()
    local text = '"code":550,"enhanced":"5.1.1","text":"User unknown"}'
    local got = classify("{" .. text, '{"stage":null,' .. text, '{"stage":"mail",' .. text)
    local rows = cli.lines(got.out)
    assert.equal(rows[1], rows[2])
    assert.equal("mailbox", cjson.decode(rows[1]).about)
    assert.not_equal("mailbox", cjson.decode(rows[3]).about) -- a refusal before RCPT is never about the mailbox
  end)

  it("never calls a 4yz reply undeliverable", function()
    local got = classify('{"code":450,"enhanced":"4.1.1","text":"User unknown"}')
    assert.equal("unknown", cjson.decode(got.out).status)
  end)

  it("takes `-` as well, and members it does not know", function()
    local got = cli.run({ "classify", "-" }, { stdin = '{"code":250,"id":7,"text":"ok"}\n' })
    assert.equal(0, got.code, got.err)
    assert.equal("accepted", cjson.decode(got.out).reason)
  end)

  it("keeps its lines in step where one cannot be read, says which and why, and exits 2", function()
    local bad = {
      "nonsense", "[]", "null", '"text"', "{}", '{"code":"550"}', '{"code":null}', '{"code":550,"text":5}',
      '{"code":550,"enhanced":true}', '{"code":550,"stage":"dinner"}',
    }
    for _, line in ipairs(bad) do
      local got = classify(line, '{"code":250,"text":"ok"}')
      assert.equal(2, got.code, line)
      assert.matches("classify: line 1: ", got.err, 1, true)
      local rows = cli.lines(got.out)
      assert.equal(2, #rows, line)
      local first = cjson.decode(rows[1])
      assert.is_string(first.error)
      assert.equal(cjson.null, first.reason)
      assert.equal("accepted", cjson.decode(rows[2]).reason)
    end
  end)
end)
