local queue = require "rcpt.queue"

describe("queue", function()
  local line
  before_each(function() line = queue.new() end)

  local function join(...)
    local items = {}
    for i, name in ipairs { ... } do
      items[i] = { name = name }
      line:push(items[i], name:sub(1, 1))
    end
    return items
  end

  local function all()
    local out = {}
    for item in function() return line:pop() end do out[#out + 1] = item.name end
    return table.concat(out, " ")
  end

  it("is first come, first served within a key", function()
    join("a1", "a2", "a3")
    assert.equal("a1 a2 a3", all())
    assert.equal(0, line.n)
    assert.is_nil(line:pop())
  end)

  it("lets the keys take turns, whatever the length of their lines", function()
    join("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    assert.equal("a1 b1 c1 a2 b2 a3 a4", all())
  end)

  it("gives a key that comes while others wait its turn after all of them", function()
    join("a1", "a2", "b1", "b2")
    assert.equal("a1", line:pop().name)
    join("c1")
    assert.equal("b1 a2 c1 b2", all())
  end)

  it("lets anybody leave", function()
    local items = join("a1", "a2", "a3", "b1", "c1")
    for _, i in ipairs { 2, 1, 5, 4, 3 } do
      assert.is_true(line:remove(items[i]))
      assert.is_false(line:remove(items[i]))
    end
    assert.equal(0, line.n)
    join("d1")
    assert.equal("d1", all())
  end)

  it("keeps the turns when the one whose turn it is leaves", function()
    local items = join("a1", "b1", "c1", "a2")
    line:remove(items[1])
    line:remove(items[4])
    assert.equal("b1 c1", all())
  end)

  it("does as a slow and simple line does, whatever is done to it", function()
    local seed = 20261123
    local function random(n)
      seed = seed * 16807 % 2147483647
      return seed % n + 1
    end
    local slow, turns = {}, {}              -- key -> names; keys in the order of their turns
    local live, count = {}, 0
    for step = 1, 3000 do
      local what = random(5)
      if what <= 3 then
        count = count + 1
        local key = ("abcde"):sub(random(5)):sub(1, 1)
        local item = { name = key .. count }
        line:push(item, key)
        live[#live + 1] = item
        if not slow[key] then slow[key], turns[#turns + 1] = {}, key end
        table.insert(slow[key], item)
      elseif what == 4 and #live > 0 then
        local item = table.remove(live, random(#live))
        assert.is_true(line:remove(item))
        local key = item.name:sub(1, 1)
        for i, other in ipairs(slow[key]) do
          if other == item then table.remove(slow[key], i) break end
        end
        if #slow[key] == 0 then
          slow[key] = nil
          for i, other in ipairs(turns) do
            if other == key then table.remove(turns, i) break end
          end
        end
      else
        local got, key = line:pop(), table.remove(turns, 1)
        assert.equal(key and slow[key][1], got, "step " .. step)
        if key then
          table.remove(slow[key], 1)
          if #slow[key] == 0 then slow[key] = nil else turns[#turns + 1] = key end
          for i, other in ipairs(live) do
            if other == got then table.remove(live, i) break end
          end
        end
      end
      assert.equal(#live, line.n)
    end
  end)
end)
