-- As gcra.lua, for an interval that is no whole number of microseconds: times carry parts of one.
--
-- KEYS   n  as in gcra.lua, or with parts: '1790000000123457:2'
-- ARGV   1  interval between two units, µs
--        2  tolerance: burst * interval, µs
--        3  parts of the interval
--        4  parts of the tolerance
--        5  how many parts make a µs
--        5 + i  the checks of key i in their order: '3' for three of one unit each, or the cost of
--               each, ',2,1,5'; all of this is left out if each key has one check of one unit
-- Reply  {debt before them, or -1 if the key is of another type, parts of the debt} for each key
local interval, tolerance = ARGV[1] + 0, ARGV[2] + 0
local interval_part, tolerance_part, denominator = ARGV[3] + 0, ARGV[4] + 0, ARGV[5] + 0
local all, reply = read(KEYS), {}

-- Of the key that is looked at. Out here, so that no function has to be made for each key.
local debt, part, changed

local function is_over(whole, rest)
  return whole > tolerance or (whole == tolerance and rest > tolerance_part)
end

local function take(cost)
  local after, rest = debt + interval * cost, part + interval_part * cost
  if rest >= denominator then
    local carry = floor(rest / denominator)
    after, rest = after + carry, rest - carry * denominator
  end
  if is_over(after, rest) then
    return false
  end
  debt, part, changed = after, rest, true
  return true
end

for i = 1, #KEYS do
  local stored, checks = all[i], ARGV[5 + i] or '1'
  debt, part = 0, 0
  if stored == true then
    debt, checks = -1, ''
  elseif stored then
    debt, part = ahead(stored, denominator)
  end
  changed = is_over(debt, part)
  if changed then
    debt, part = tolerance, tolerance_part
  end
  reply[2 * i - 1], reply[2 * i] = debt, part

  local ones = tonumber(checks)
  if ones then
    while ones > 0 and take(1) do
      ones = ones - 1
    end
  else
    for cost in string.gmatch(checks, '%d+') do
      take(cost + 0)
    end
  end
  if changed then
    local value, us = arrival(debt, part)
    call('SET', KEYS[i], value, 'PX', text(ceil(us / 1000)))
  end
end
return reply
