-- Checks of one policy by the generic cell rate algorithm: one, or what has waited while another call
-- was on its way. Each key is read and written once, whatever the number of its checks.
--
-- KEYS   n  the theoretical arrival time in µs: '1790000000123457'; no key twice
-- ARGV   1  interval between two units, µs
--        2  tolerance: burst * interval, µs
--        2 + i  the checks of key i in their order: '3' for three of one unit each, or the cost of
--               each, ',2,1,5'; all of this is left out if each key has one check of one unit
-- Reply  {debt before them, or -1 if the key is of another type} for each key
--
-- Debt is how far the arrival time lies ahead of the clock. What is admitted follows from it, so the
-- reply need not say it. A denial writes nothing, unless the arrival time is further ahead than it
-- can be, because the clock was set back or the quota cut: clamped on reading only, it would be
-- clamped anew each time, and deny for as long as the step.
local call, floor, format, match = redis.call, math.floor, string.format, string.match
local interval, tolerance, several = ARGV[1] + 0, ARGV[2] + 0, #ARGV > 2
local all, debts = call('MGET', unpack(KEYS)), {}

-- What the arrival time lies ahead after the checks.
local function take(debt, checks)
  local ones = tonumber(checks)
  if ones then
    local after = debt + ones * interval
    if after > tolerance then
      after = debt + floor((tolerance - debt) / interval) * interval
    end
    return after
  end
  for cost in string.gmatch(checks, '%d+') do
    local with_it = debt + cost * interval
    if with_it <= tolerance then
      debt = with_it
    end
  end
  return debt
end

-- When a debt is over, and for how many ms it counts: rounded up, what is behind the point is cut off.
local function arrival(debt)
  return format('%d', now + debt), format('%d', (debt + 999) / 1000)
end

-- Of most keys nothing is stored, because nothing counts any more of what was admitted to them: after
-- one unit all of these are the same.
local at_of_one, ms_of_one = arrival(interval)

for i = 1, #KEYS do
  local key, stored, debt, after, is_ahead = KEYS[i], all[i], 0, interval, false
  if stored then
    -- A quota that was changed may have left parts of a µs; what is no number is as good as nothing.
    local at = tonumber(stored) or tonumber(match(stored, '^(%d+):%d+$')) or now
    debt = floor(at - now)
    -- A comparison with NaN is false.
    if not (debt > 0) then
      debt = 0
    elseif debt > tolerance then
      debt, is_ahead = tolerance, true
    end
    after = debt + interval
  end
  if several then
    after = take(debt, ARGV[i + 2])
  elseif after > tolerance then
    after = debt
  end
  if is_ahead or after > debt then
    local at, ms = at_of_one, ms_of_one
    if after ~= interval then
      at, ms = arrival(after)
    end
    if stored then
      call('SET', key, at, 'PX', ms)
    elseif not call('SET', key, at, 'PX', ms, 'NX') then
      -- It is there, and MGET says nothing of it: it is no text, and another program's.
      debt = -1
    end
  end
  debts[i] = debt
end
return debts
