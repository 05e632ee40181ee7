local core = require "rcpt.core"
local vectors = require "spec.support.vectors"

local BEFORE = { "greeting", "ehlo", "helo", "starttls", "mail" }

local function question(text)
  local stage, code, enhanced, rest = text:match("^(%l+) (%d+) (%S+) ?(.*)$")
  return { stage = stage, code = tonumber(code), enhanced = enhanced ~= "-" and enhanced or nil,
    text = rest }
end

-- Words that a phrase of the table would match.
local function text_of(row)
  return row.phrase == "-" and "" or (row.phrase:gsub(" %* ", " x "))
end

local function code_of(row)
  if row.code == 0 then return 550 end
  if row.code < 10 then return row.code * 100 + 50 end
  if row.code < 100 then return row.code * 10 end
  return row.code
end

describe("wire/meaning", function()
  for _, row in ipairs(vectors.load("spec/vectors/meanings.tsv")) do
    it(("%s: %s (line %d)"):format(row.expected, row.why, row.line), function()
      assert.equal(row.expected, (core.classify(question(row.input))))
    end)
  end

  describe("before RCPT", function()
    local about = {}
    for _, reason in ipairs(core.reasons()) do about[reason.name] = reason.about end

    it("is never about the mailbox, whatever the words and codes", function()
      for _, row in ipairs(core.phrases()) do
        for _, stage in ipairs(BEFORE) do
          for _, code in ipairs { 421, 450, 452, 524, 550, 551, 552, 553, 554, code_of(row) } do
            for _, enhanced in ipairs { "", "5.1.1", "5.2.1", "5.2.2", "5.1.6", "4.2.1" } do
              local reason, whom = core.classify { stage = stage, code = code, enhanced = enhanced,
                text = text_of(row) }
              assert.not_equal("mailbox", whom, stage .. " " .. code .. " " .. row.phrase)
              assert.equal(about[reason], whom)
            end
          end
        end
      end
    end)

    it("is never accepted either", function()
      for _, stage in ipairs(BEFORE) do
        assert.equal("unclassified", (core.classify { stage = stage, code = 250, text = "ok" }))
      end
    end)
  end)

  it("sees what is about us beside any claim about the mailbox, in either order", function()
    local us = { "your IP is blacklisted", "blocked using bl.spamcop.net", "poor reputation",
      "reverse DNS required", "sender address rejected", "too many connections", "greylisted" }
    local claims = { "user unknown", "no such user here", "mailbox unavailable", "mailbox disabled",
      "mailbox not found", "account disabled", "invalid recipient", "unrouteable address",
      "user does not exist" }
    for _, ours in ipairs(us) do
      for _, claim in ipairs(claims) do
        for _, text in ipairs { ours .. "; " .. claim, claim .. ": " .. ours } do
          for _, enhanced in ipairs { "", "5.1.1", "5.2.1" } do
            local _, about = core.classify { code = 550, enhanced = enhanced, text = text }
            assert.equal("us", about, text)
          end
        end
      end
    end
  end)

  it("leaves a refusal in words it does not know unclassified", function()
    for _, code in ipairs { 550, 551, 552, 553, 554, 540, 599 } do
      assert.equal("unclassified", (core.classify { code = code, text = "frobnicated" }))
    end
  end)

  describe("masks", function()
    for _, echo in ipairs { "<blacklisted@x.example>", "blacklisted@x.example", "blacklist.example",
      "http://x.example/blacklisted", "www.blacklisted.example/x", '"blacklisted"', "'blacklisted'",
      "<blacklisted>" } do
      it(echo .. " as an echo", function()
        assert.equal("mailbox_unknown", (core.classify { code = 550, text = echo .. " user unknown" }))
      end)
    end

    it("but not the words around it", function()
      assert.equal("blocked", (core.classify { code = 550, text = "<a@b.example> is blacklisted" }))
    end)

    it("an IPv6 address", function()
      assert.equal("blocked", (core.classify { code = 550, text = "Client host [2001:db8::a] blocked" }))
    end)
  end)

  it("finds words whatever their case, breaks and punctuation", function()
    for _, text in ipairs { "USER UNKNOWN", "user\nunknown", "user-unknown", "(user) unknown!",
      "  user   unknown", "x;user/unknown" } do
      assert.equal("mailbox_unknown", (core.classify { code = 550, text = text }), text)
    end
  end)

  it("finds no word inside another", function()
    assert.equal("unclassified", (core.classify { code = 550, text = "superuser unknown" }))
  end)

  it("knows a host by its name, whatever case and final dot", function()
    for _, mx in ipairs { "x.mail.protection.outlook.com", "X.MAIL.PROTECTION.OUTLOOK.COM." } do
      assert.equal("mailbox_unknown", (core.classify { code = 550, enhanced = "5.1.10", mx = mx }))
    end
    assert.equal("domain_no_mail", (core.classify { code = 550, enhanced = "5.1.10", mx = "a.example" }))
  end)

  it("looks for the enhanced code in the text where none was given", function()
    assert.equal("mailbox_full", (core.classify { code = 550, text = "5.2.2 frobnicated" }))
    assert.equal("mailbox_full", (core.classify { code = 550, text = "frobnicated (#5.2.2)" }))
  end)

  it("ignores an enhanced code that is none", function()
    for _, enhanced in ipairs { "", "x", "5.1", "5.1.x", "9.1.1", "5.1.1.1", "\0" } do
      assert.equal("unclassified", (core.classify { code = 550, enhanced = enhanced, text = "x" }))
    end
  end)

  it("answers every code at every stage with a reason of the list", function()
    local known = {}
    for _, reason in ipairs(core.reasons()) do known[reason.name] = reason.about end
    for _, stage in ipairs(core.stages()) do
      for code = 200, 599 do
        local reason, about = core.classify { stage = stage, code = code }
        assert.equal(known[reason], about)
      end
    end
  end)

  it("survives any bytes", function()
    local seed = os.time()
    math.randomseed(seed)
    for _ = 1, 2000 do
      local bytes = {}
      for i = 1, math.random(0, 60) do bytes[i] = string.char(math.random(0, 255)) end
      local text = table.concat(bytes):rep(math.random(1, 30))
      assert.is_string((core.classify { code = 550, text = text }), "seed " .. seed)
    end
    for _, piece in ipairs { "<", ">", "@", "a@", ".", "a.B", "://", "a://", ":", "::", "'", "?p=",
      "http://?p=x ", "\xE2\x80\x99", "#5.", " ", "a ", "# ", "A.Bc" } do
      assert.is_string((core.classify { code = 550, text = piece:rep(2000) }))
    end
  end)

  describe("classify raises", function()
    local cases = {
      { nil, "no table" }, { {}, "code" }, { { code = "550" }, "code" }, { { code = 199 }, "code" },
      { { code = 600 }, "code" }, { { code = 550.5 }, "code" }, { { code = 0 / 0 }, "code" },
      { { code = 550, enhanced = 5 }, "enhanced" }, { { code = 550, text = 1 }, "text" },
      { { code = 550, stage = "data" }, "stage" }, { { code = 550, stage = 1 }, "stage" },
      { { code = 550, mx = true }, "mx" },
    }
    for i, case in ipairs(cases) do
      it("naming " .. case[2] .. " (" .. i .. ")", function()
        local ok, message = pcall(core.classify, case[1])
        assert.is_false(ok)
        if case[1] then assert.is_truthy(message:find("'" .. case[2] .. "'", 1, true), message) end
      end)
    end
  end)

  describe("the table of phrases", function()
    local rows = core.phrases()

    it("has a source in every row", function()
      for _, row in ipairs(rows) do assert.is_true(#row.seen > 0, row.phrase) end
    end)

    it("writes phrases as words are read: lower case, single blanks, no punctuation", function()
      for _, row in ipairs(rows) do
        if row.phrase ~= "-" then
          assert.is_nil(row.phrase:find("%u"), row.phrase)
          assert.is_nil(row.phrase:find("  ", 1, true), row.phrase)
          assert.is_nil(row.phrase:find("^ "), row.phrase)
          assert.is_nil(row.phrase:gsub(" %* ", " "):gsub("^%?p=", ""):find("[^%w\128-\255 @#]"), row.phrase)
        end
      end
    end)

    it("keeps reasons about mailbox and domain to RCPT; only 521 speaks for the host earlier", function()
      local about = {}
      for _, reason in ipairs(core.reasons()) do about[reason.name] = reason.about end
      for _, row in ipairs(rows) do
        local whom = about[row.reason]
        if (whom == "mailbox" or whom == "domain") and row.code ~= 521 then
          assert.same({ "rcpt" }, row.stages, row.reason .. " " .. row.phrase)
        end
      end
    end)

    it("has no phrase that a row above it makes useless", function()
      for i, row in ipairs(rows) do
        if row.enhanced == "" and row.mx == "" and row.phrase ~= "" then
          for j = 1, i - 1 do
            local above = rows[j]
            local covers = above.phrase == row.phrase and above.enhanced == "" and above.mx == ""
              and (above.code == 0 or above.code == row.code) and #above.stages >= #row.stages
            assert.is_false(covers, row.phrase)
          end
        end
      end
    end)
  end)
end)
