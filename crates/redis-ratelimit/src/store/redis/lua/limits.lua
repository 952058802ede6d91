-- Any number of limits of any kind: all or none.
--
-- KEYS   n  one for each limit
-- ARGV   1  'take' units, 'look' and change nothing, or 'give' units back
--        then for each limit its kind, its rule and the cost:
--        'gcra', interval, tolerance, their parts, parts per µs, cost   state as in gcra.lua
--        'fixed', limit, window in µs, cost                             state 'start:used'
--        'sliding', limit, bucket in µs, buckets, cost                  state 'bucket newest c0 c1 ... cN'
-- Reply  {1 if all would be admitted or else 0, then what was seen of each limit before:
--        gcra: debt, parts of the debt
--        fixed: µs that are left of the window, units used
--        sliding: µs that are left of the newest bucket, c0, c1 ... cN}
--
-- Nothing is written before all limits were read: an error at one of them takes from none. A
-- denial writes only what has to be set right; see gcra.lua.
local call, floor, ceil, format, match = redis.call, math.floor, math.ceil, string.format, string.match
local mode = ARGV[1]
local is_give = mode == 'give'
local reply, size = {1}, 1

-- Each kind gets what is stored and where its arguments begin. It returns whether the limit admits
-- the cost; what to write, and for how many µs, to take it (or to give it back); the same to set
-- right what lies in the future, or nothing; and how many arguments it has used.

local function gcra(stored, at)
  local interval, tolerance, cost = ARGV[at] + 0, ARGV[at + 1] + 0, ARGV[at + 5] + 0
  local interval_part, tolerance_part = ARGV[at + 2] + 0, ARGV[at + 3] + 0
  local denominator = ARGV[at + 4] + 0
  local debt, part = 0, 0
  if stored then
    local tat = tonumber(stored)
    if not tat then
      tat, part = match(stored, '^(%d+):(%d+)$')
      part = math.min((part or 0) + 0, denominator - 1)
    end
    debt = floor((tat or now) - now)
    if not (debt >= 0) then
      debt, part = 0, 0
    end
  end
  local heal, heal_us
  if debt > tolerance or (debt == tolerance and part > tolerance_part) then
    debt, part = tolerance, tolerance_part
    heal, heal_us = now + debt, debt
    if part > 0 then
      heal, heal_us = format('%.0f:%.0f', heal, part), debt + 1
    end
  end
  reply[size + 1], reply[size + 2] = debt, part
  size = size + 2
  if is_give then
    cost = -cost
  end
  local rest = part + interval_part * cost
  local carry = floor(rest / denominator)
  local after = debt + interval * cost + carry
  rest = rest - carry * denominator
  if after < 0 then
    after, rest = 0, 0
  end
  local fits = after < tolerance or (after == tolerance and rest <= tolerance_part)
  local value, us = now + after, after
  if rest > 0 then
    value, us = format('%.0f:%.0f', value, rest), after + 1
  end
  return fits, value, us, heal, heal_us, 6
end

local function fixed(stored, at)
  local limit, window, cost = ARGV[at] + 0, ARGV[at + 1] + 0, ARGV[at + 2] + 0
  local start, used = now, 0
  if stored then
    local opened, count = match(stored, '^(%d+):(%d+)$')
    if opened and opened + 0 <= now and now < opened + window then
      start, used = opened + 0, math.min(count + 0, limit)
    end
  end
  local left = start + window - now
  reply[size + 1], reply[size + 2] = left, used
  size = size + 2
  local after = is_give and math.max(0, used - cost) or used + cost
  return after <= limit, format('%.0f:%.0f', start, after), left, nil, nil, 3
end

local function sliding(stored, at)
  local limit, bucket, buckets, cost = ARGV[at] + 0, ARGV[at + 1] + 0, ARGV[at + 2] + 0, ARGV[at + 3] + 0
  local newest, sum, is_ahead = floor(now / bucket), 0, false
  local counts = {}
  for age = 0, buckets do
    counts[age] = 0
  end
  if stored and string.find(stored, '^%d+[ %d]*$') then
    local width, age = nil, nil
    for count in string.gmatch(stored, '%d+') do
      if not width then
        width = count + 0
      elseif not age then
        local passed = floor(now / width) - count
        is_ahead = passed < 0
        age = math.max(0, passed)
      else
        if age <= buckets then
          -- The period was changed: whatever the old one still counts is as of now.
          local place = width == bucket and age or 0
          local before = counts[place]
          counts[place] = math.min(before + count, limit)
          sum = sum + counts[place] - before
        end
        age = age + 1
      end
    end
  end
  local left = bucket - now % bucket
  reply[size + 1] = left
  for age = 0, buckets do
    reply[size + 2 + age] = counts[age]
  end
  size = size + 2 + buckets
  local us = left + buckets * bucket
  local fits = sum + cost <= limit
  local begin = format('%.0f %.0f ', bucket, newest)
  local heal = is_ahead and begin .. table.concat(counts, ' ', 0, buckets) or nil
  if is_give then
    -- From the oldest one on, or a unit that stays would be forgotten before its time.
    for age = buckets, 0, -1 do
      local given = math.min(cost, counts[age])
      counts[age], cost = counts[age] - given, cost - given
    end
  else
    counts[0] = counts[0] + cost
  end
  return fits, begin .. table.concat(counts, ' ', 0, buckets), us, heal, us, 4
end

local kinds = {gcra = gcra, fixed = fixed, sliding = sliding}
local values, times, heals, heal_times, exists = {}, {}, {}, {}, {}
local at, admitted = 2, true
for i = 1, #KEYS do
  local stored = call('GET', KEYS[i])
  local fits, count
  fits, values[i], times[i], heals[i], heal_times[i], count = kinds[ARGV[at]](stored, at + 1)
  admitted = admitted and fits
  exists[i] = stored
  at = at + 1 + count
end
reply[1] = admitted and 1 or 0
for i = 1, #KEYS do
  local value, us = heals[i], heal_times[i]
  if mode == 'look' then
    value = nil
  elseif is_give then
    value, us = exists[i] and values[i], times[i]
  elseif admitted then
    value, us = values[i], times[i]
  end
  if value then
    call('SET', KEYS[i], value, 'PX', math.max(1, ceil(us / 1000)))
  end
end
return reply
