-- One check of one limit by the generic cell rate algorithm: the short way for the usual case.
--
-- KEYS   1  the theoretical arrival time in µs: '1790000000123457', or '1790000000123457:2' with
--           parts of a µs
-- ARGV   1  interval between two units, µs
--        2  tolerance: burst * interval, µs
--        3  cost, units
--        4  parts of the interval     (4 to 6 only for an interval that is no whole number of µs)
--        5  parts of the tolerance
--        6  how many parts make a µs
-- Reply  {1 if admitted or else 0, debt before it, parts of the debt}
--
-- Debt is how far the arrival time lies ahead of the clock. A denial writes nothing, unless the
-- arrival time is further ahead than it can be, because the clock was set back or the quota cut:
-- clamped on reading only, it would be clamped anew each time, and deny for as long as the step.
local interval, tolerance, cost = ARGV[1] + 0, ARGV[2] + 0, ARGV[3] + 0
local interval_part, tolerance_part, denominator = 0, 0, 1
if ARGV[4] then
  interval_part, tolerance_part, denominator = ARGV[4] + 0, ARGV[5] + 0, ARGV[6] + 0
end

local function write(debt, part)
  local value, whole = now + debt, debt
  if part > 0 then
    value, whole = string.format('%.0f:%.0f', value, part), whole + 1
  end
  redis.call('SET', KEYS[1], value, 'PX', math.ceil(whole / 1000))
end

local debt, part = 0, 0
local stored = redis.call('GET', KEYS[1])
if stored then
  local at = tonumber(stored)
  if not at then
    at, part = string.match(stored, '^(%d+):(%d+)$')
    part = math.min((part or 0) + 0, denominator - 1)
  end
  -- What is no number is as good as nothing. A comparison with NaN is false.
  debt = math.floor((at or now) - now)
  if not (debt >= 0) then
    debt, part = 0, 0
  end
end
local is_ahead = debt > tolerance or (debt == tolerance and part > tolerance_part)
if is_ahead then
  debt, part = tolerance, tolerance_part
end

local after_part = part + interval_part * cost
local carry = math.floor(after_part / denominator)
local after = debt + interval * cost + carry
after_part = after_part - carry * denominator
if after > tolerance or (after == tolerance and after_part > tolerance_part) then
  if is_ahead then
    write(debt, part)
  end
  return {0, debt, part}
end
write(after, after_part)
return {1, debt, part}
