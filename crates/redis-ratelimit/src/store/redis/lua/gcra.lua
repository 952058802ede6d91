-- Checks of one policy by the generic cell rate algorithm: one, or what has waited while another call
-- was on its way. Each key is read and written once, whatever the number of its checks.
--
-- KEYS   n  the theoretical arrival time in µs: '1790000000123457'; no key twice
-- ARGV   1  interval between two units, µs
--        2  tolerance: burst * interval, µs
--        2 + i  the checks of key i in their order: '3' for three of one unit each, or the cost of
--               each, ',2,1,5'
-- Reply  {debt before them, or -1 if the key is of another type} for each key
--
-- Debt is how far the arrival time lies ahead of the clock. What is admitted follows from it, so the
-- reply need not say it. A denial writes nothing, unless the arrival time is further ahead than it
-- can be, because the clock was set back or the quota cut: clamped on reading only, it would be
-- clamped anew each time, and deny for as long as the step.
local interval, tolerance = ARGV[1] + 0, ARGV[2] + 0
local all, debts = read(KEYS), {}

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

for i = 1, #KEYS do
  local stored, debt, is_ahead = all[i], 0, false
  if stored == true then
    debts[i] = -1
  else
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
    end
    debts[i] = debt
    local after = take(debt, ARGV[i + 2])
    if is_ahead or after > debt then
      call('SET', KEYS[i], text(now + after), 'PX', text(ceil(after / 1000)))
    end
  end
end
return debts
