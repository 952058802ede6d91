-- Versions are 8 bytes: Lua has no numbers of 64 bits. `seen` returns the one that was seen of a name,
-- and whether it was forgotten since; nothing if it has none, or if that does not count any more.
local function version_of(value)
  if string.byte(value) == 3 and #value >= 55 and string.byte(value, 3) >= 2 then
    return string.sub(value, 48, 55)
  end
end
local function seen(stored, now, lag)
  if version_of(stored) and now < struct.unpack('>I8', stored, 16) + lag then
    return version_of(stored), false
  elseif string.byte(stored) == 4 and #stored == 17 and now < struct.unpack('>I8', stored, 10) then
    return string.sub(stored, 2, 9), true
  end
end
local function is_below(version, other)
  local high, low = struct.unpack('>I4I4', version)
  local other_high, other_low = struct.unpack('>I4I4', other)
  return high < other_high or high == other_high and low < other_low
end
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
