-- Checks of one policy by the generic cell rate algorithm: one, or what has waited while another call
-- was on its way. Each key is read and written once, whatever the number of its checks.
--
-- KEYS   n  the theoretical arrival time in µs: '1790000000123457'; no key twice
-- ARGV   1  interval between two units, µs
--        2  tolerance: burst * interval, µs
--        2 + i  the checks of key i in their order: '3' for three of one unit each, or the cost of
--               each, ',2,1,5'
-- Reply  {debt before them} for each key
--
-- Debt is how far the arrival time lies ahead of the clock. What is admitted follows from it, so the
-- reply need not say it. A denial writes nothing, unless the arrival time is further ahead than it
-- can be, because the clock was set back or the quota cut: clamped on reading only, it would be
-- clamped anew each time, and deny for as long as the step.
local call, floor = redis.call, math.floor
local interval, tolerance = ARGV[1] + 0, ARGV[2] + 0
local debts = {}
for i = 1, #KEYS do
  local key, checks = KEYS[i], ARGV[i + 2]
  local debt, is_ahead = 0, false
  local stored = call('GET', key)
  if stored then
    -- A quota that was changed may have left parts of a µs; what is no number is as good as nothing.
    local at = tonumber(stored) or tonumber(string.match(stored, '^(%d+):%d+$')) or now
    debt = floor(at - now)
    -- A comparison with NaN is false.
    if not (debt > 0) then
      debt = 0
    elseif debt > tolerance then
      debt, is_ahead = tolerance, true
    end
  end
  debts[i] = debt

  local after, ones = debt, tonumber(checks)
  if ones then
    after = debt + ones * interval
    if after > tolerance then
      after = debt + floor((tolerance - debt) / interval) * interval
    end
  else
    for cost in string.gmatch(checks, '%d+') do
      local with_it = after + cost * interval
      if with_it <= tolerance then
        after = with_it
      end
    end
  end
  if is_ahead or after > debt then
    call('SET', key, now + after, 'PX', math.ceil(after / 1000))
  end
end
return debts
