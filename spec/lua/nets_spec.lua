local nets = require "rcpt.nets"

describe("nets.is_public", function()
  it("refuses what is not globally reachable (RFC 6890), first and last address of each range", function()
    for _, ip in ipairs {
      "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1",
      "169.254.0.0", "169.254.255.255", "172.16.0.0", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
      "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.1", "203.0.113.255", "224.0.0.1",
      "239.255.255.255", "240.0.0.0", "255.255.255.255",
      "::", "::1", "::127.0.0.1", "64:ff9b:1::1", "100::1", "2001::1", "2001:1ff:ffff::", "2001:db8::1", "3fff::1",
      "5f00::1", "fc00::1", "fdff::1", "fe80::1", "febf::1", "fec0::1", "ff02::1",
    } do
      assert.is_false(nets.is_public(ip), ip)
    end
  end)

  it("takes their neighbours", function()
    for _, ip in ipairs {
      "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
      "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.167.255.255",
      "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "203.0.112.255", "203.0.114.0", "223.255.255.255",
      "2001:200::1", "2001:db7::1", "2001:db9::1", "2a00:1450::1", "fbff::1", "2606:4700::1111", "64:ff9b::808:808",
    } do
      assert.is_true(nets.is_public(ip), ip)
    end
  end)

  it("looks at the IPv4 address within an IPv6 one", function()
    for _, ip in ipairs { "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "::ffff:a00:1" } do
      assert.is_false(nets.is_public(ip), ip)
    end
    assert.is_true(nets.is_public("2002:808:808::1"))
  end)

  it("takes what is admitted, and no more", function()
    local allowed = assert(nets.set { "127.0.0.0/8", "fd00::/9", "10.1.2.3" })
    for ip, expected in pairs {
      ["127.0.0.1"] = true, ["127.255.0.1"] = true, ["::ffff:127.0.0.1"] = true, ["fd00::1"] = true,
      ["10.1.2.3"] = true, ["10.1.2.4"] = false, ["fd80::1"] = false, ["128.0.0.1"] = true, ["192.168.0.1"] = false,
    } do
      assert.equal(expected, nets.is_public(ip, allowed), ip)
    end
  end)

  it("never takes what is no IP address", function()
    for _, text in ipairs { "", "x", "1.2.3", "1.2.3.4.5", "1.2.3.256", "mx.example", "1.2.3.4 ", ":" } do
      assert.is_false(nets.is_public(text), text)
    end
  end)
end)

describe("nets.set", function()
  it("refuses bits beyond the prefix, too long prefixes and names", function()
    for _, text in ipairs { "10.0.0.1/8", "10.0.0.0/33", "2001:db8::1/32", "::/129", "x/8", "", "/8" } do
      local set, entry = nets.set { "192.0.2.0/24", text }
      assert.is_nil(set)
      assert.equal(text, entry)
    end
  end)

  it("takes prefixes that end within a byte", function()
    local set = assert(nets.set { "100.64.0.0/10", "0.0.0.0/0" })
    assert.equal(2, #set)
    assert.is_true(nets.is_public("10.0.0.1", set))
  end)
end)

describe("nets.looks_like_ip", function()
  it("tells addresses from names", function()
    for text, expected in pairs { ["192.0.2.1"] = true, ["::1"] = true, ["1.2.3.4.5"] = true, ["mx.example"] = false,
      ["1.example"] = false, [""] = false } do
      assert.equal(expected, nets.looks_like_ip(text), text)
    end
  end)
end)
