-- src/wire/domain and special, by way of core.parse: what the vectors do not say row by row.
local core = require "rcpt.core"

local function domain(name, options)
  local a = core.parse("a@" .. name, options)
  if a.valid then return a.domain, a.unicode_domain end
  return nil, a.reason, a.position - 2
end

describe("wire/domain", function()
  describe("length", function()
    it("of a label: each up to 63 octets is taken, none beyond (RFC 1035 2.3.4)", function()
      for n = 1, 63 do assert.is_string(domain(("b"):rep(n) .. ".example"), n) end
      for n = 64, 80 do
        assert.same({ nil, "label_too_long", 64 }, { domain(("b"):rep(n) .. ".example") })
      end
    end)

    it("of a label counts its A-label, not its UTF-8", function()
      local han = "\228\184\173\229\155\189"
      local ascii, unicode = domain(han:rep(11) .. ".example")   -- 66 octets of UTF-8
      assert.is_true(#ascii:match("^[^.]+") <= 63)
      assert.equal(han:rep(11) .. ".example", unicode)
    end)

    it("of a domain: cut at every place, it is refused or makes itself again", function()
      local long = ("b\195\188cher."):rep(24) .. "example"
      for n = 1, #long do
        local a = core.parse("a@" .. long:sub(1, n))
        if a.valid then
          assert.is_true(#a.domain <= 253)
          assert.equal(a.normalized, core.parse(a.ascii).normalized)
        end
      end
    end)

    it("of many short labels is held to the limit in A-labels too", function()
      local wide = ("\195\188."):rep(60) .. "example"            -- 187 octets as typed, 487 in A-labels
      assert.same({ nil, "domain_too_long" }, { (domain(wide)), (select(2, domain(wide))) })
    end)
  end)

  describe("special-use names", function()
    local refused = {
      "alt", "arpa.home.arpa", "invalid", "local", "localhost", "onion", "home.arpa", "service.arpa", "resolver.arpa",
      "ipv4only.arpa", "eap.arpa", "eap-noob.arpa", "6tisch.arpa", "10.in-addr.arpa", "168.192.in-addr.arpa",
      "254.169.in-addr.arpa", "170.0.0.192.in-addr.arpa", "171.0.0.192.in-addr.arpa",
      "8.e.f.ip6.arpa", "9.e.f.ip6.arpa",
      "a.e.f.ip6.arpa", "b.e.f.ip6.arpa",
    }
    for net = 16, 31 do refused[#refused + 1] = net .. ".172.in-addr.arpa" end

    it("are refused, they and all below them, in any case", function()
      for _, name in ipairs(refused) do
        for _, prefix in ipairs { "", "x.", "x.y." } do
          local _, reason = domain(prefix .. name:upper(), { single_label = true })
          assert.equal("special_use", reason, prefix .. name)
        end
      end
    end)

    it("are taken when the option admits them", function()
      for _, name in ipairs(refused) do
        assert.equal("x." .. name, (domain("x." .. name, { special_use = true })))
      end
    end)

    it("are matched by whole labels", function()
      for _, name in ipairs(refused) do
        assert.equal("x" .. name .. ".example", (domain("x" .. name .. ".example")))
        local glued, reason = domain("x.y" .. name)
        if not name:find("arpa", 1, true) then assert.equal("x.y" .. name, glued, reason) end
      end
      assert.equal("xhome.arpa", (domain("xhome.arpa")))
    end)

    it("do not include what people test with (RFC 6761 6.2, 6.5)", function()
      for _, name in ipairs { "test", "example", "x.test", "x.example", "example.com", "example.net",
        "example.org" } do
        assert.equal(name, (domain(name, { single_label = true })))
      end
    end)
  end)

  describe("international labels", function()
    it("lose nothing on the way to libidn2 and back: each ASCII character beside one", function()
      -- under STD3 rules libidn2 drops what it forbids, and another domain comes out
      for byte = 0, 127 do
        local char = string.char(byte)
        for _, name in ipairs { "\195\188" .. char .. "b.example", "b" .. char .. "\195\188.example" } do
          local ascii, unicode, position = domain(name)
          if char:find("[%w%-.]") then
            assert.equal(name:lower(), unicode, byte)
          else
            assert.is_nil(ascii, byte)
            assert.equal(name:find(char, 1, true), position, byte)
          end
        end
      end
    end)

    it("map to nothing that ASCII forbids: each fullwidth form (U+FF01 to U+FF5E)", function()
      for byte = 0x21, 0x7E do
        local c = byte - 0x21 + 0xFF01
        local wide = string.char(0xE0 + math.floor(c / 4096), 0x80 + math.floor(c / 64) % 64, 0x80 + c % 64)
        local char = string.char(byte)
        local ascii, reason, position = domain("x" .. wide .. "y.example")
        if char:find("[%w%-.]") then
          assert.equal(("x" .. char .. "y.example"):lower(), ascii)
        else
          assert.same({ nil, "idna_mapped", 2 }, { ascii, reason, position }, char)
        end
      end
    end)

    it("read the same from either form, A-labels in any case", function()
      for _, name in ipairs { "b\195\188cher.example", "fa\195\159.de",
        "\228\184\173\229\155\189.\228\184\173\229\155\189",
        "\215\144.example", "\208\191\208\190\209\135\209\130\208\176.\209\128\209\132" } do
        local ascii, unicode = domain(name)
        assert.equal(name, unicode)
        assert.is_nil(ascii:find("[\128-\255]"))
        assert.same({ ascii, unicode }, { domain(ascii) })
        assert.same({ ascii, unicode }, { domain((ascii:upper())) })
      end
    end)

    it("are no A-label that was mended by hand", function()
      local good = domain("b\195\188cher.example"):match("^[^.]+")
      local taken = {}
      for i = 5, #good do
        for byte = 0, 127 do
          local char = string.char(byte)
          if char:find("[%l%d]") and char ~= good:sub(i, i) then
            local changed = good:sub(1, i - 1) .. char .. good:sub(i + 1)
            local ascii, unicode = domain(changed .. ".example")
            if ascii then
              assert.equal(changed .. ".example", ascii)
              assert.is_nil(taken[unicode])
              taken[unicode] = true
              assert.equal(ascii, (domain(unicode)))
            else
              assert.equal("alabel_bad", unicode)
            end
          end
        end
      end
    end)

    it("keep the Bidi rule as a whole domain (RFC 5893 2)", function()
      local alef = "\215\144"
      assert.is_string((domain("a." .. alef .. ".example")))
      assert.is_string((domain("a1-b." .. alef .. ".example")))
      assert.same({ nil, "idna_bidi", 1 }, { domain("1a." .. alef .. ".example") })
      assert.same({ nil, "idna_bidi", 4 }, { domain("\195\188.1a." .. alef) })
      assert.is_string((domain("1a.\195\188.example")))
    end)
  end)
end)
