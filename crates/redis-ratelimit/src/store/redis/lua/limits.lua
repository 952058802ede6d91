-- Orders for several limits of any kind, each of them all or none: one, or what has waited while
-- another call was on its way. They are decided in their order, as so many calls would be.
--
-- KEYS   n  one for each limit of the first order, then those of the next one
-- ARGV   1  'take' units, 'look' and change nothing, or 'give' units back
--        2  how many limits an order has
--        then for each of these its kind and its rule:
--        'gcra', interval, tolerance, their parts, parts per µs   state as in gcra_parts.lua
--        'fixed', limit, window in µs                             state 'start:used'
--        'sliding', limit, bucket in µs, buckets                  state 'bucket newest c0 c1 ... cN'
--        then nothing if each key is asked for one unit, or else for how many
-- Reply  for each order {1 if all would be admitted, 0 if not, or -1 if a key is of another type, then
--        what was seen of each limit before:
--        gcra: debt, parts of the debt
--        fixed: µs that are left of the window, units used
--        sliding: µs that are left of the newest bucket, c0, c1 ... cN}
--
-- A denial writes only what has to be set right; see gcra.lua.
local mode = ARGV[1]
local is_give = mode == 'give'
local reply, size = {}, 0

-- Each kind is made of where its rule stands, and says where the next one does. It decides on what is
-- stored and a cost, and returns whether the limit admits it; what to write, and for how many µs, to
-- take it (or to give it back); and the same to set right what lies in the future, or nothing.
local kinds = {}

function kinds.gcra(at)
  local interval, tolerance = ARGV[at] + 0, ARGV[at + 1] + 0
  local interval_part, tolerance_part, denominator = ARGV[at + 2] + 0, ARGV[at + 3] + 0, ARGV[at + 4] + 0
  return at + 5, function(stored, cost)
    local debt, part, heal, heal_us = 0, 0, nil, nil
    if stored then
      debt, part = ahead(stored, denominator)
      if debt > tolerance or (debt == tolerance and part > tolerance_part) then
        debt, part = tolerance, tolerance_part
        heal, heal_us = arrival(debt, part)
      end
    end
    reply[size + 1], reply[size + 2] = debt, part
    size = size + 2
    if is_give then
      cost = -cost
    end
    local after, rest = debt + interval * cost, part + interval_part * cost
    if rest < 0 or rest >= denominator then
      local carry = floor(rest / denominator)
      after, rest = after + carry, rest - carry * denominator
    end
    if after < 0 then
      after, rest = 0, 0
    end
    local value, us = arrival(after, rest)
    return after < tolerance or (after == tolerance and rest <= tolerance_part), value, us, heal, heal_us
  end
end

function kinds.fixed(at)
  local limit, window = ARGV[at] + 0, ARGV[at + 1] + 0
  return at + 2, function(stored, cost)
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
    return after <= limit, format('%d:%d', start, after), left
  end
end

function kinds.sliding(at)
  local limit, bucket, buckets = ARGV[at] + 0, ARGV[at + 1] + 0, ARGV[at + 2] + 0
  return at + 3, function(stored, cost)
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
    local begin = format('%d %d ', bucket, newest)
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
    return fits, begin .. table.concat(counts, ' ', 0, buckets), us, heal, us
  end
end

local each, at, limits = {}, 3, ARGV[2] + 0
for i = 1, limits do
  at, each[i] = kinds[ARGV[at]](at + 1)
end
local costs_at = ARGV[at] and at - 1

-- What is stored, as far as the orders have come, and what of it is new.
local stored, all = {}, read(KEYS)
for i = 1, #KEYS do
  stored[KEYS[i]] = all[i]
end
local changed, times = {}, {}

local values, values_us, heals, heals_us = {}, {}, {}, {}
for first = 0, #KEYS - 1, limits do
  local verdict, verdict_at = 1, size + 1
  size = verdict_at
  for i = 1, limits do
    local key, cost = first + i, 1
    if costs_at then
      cost = ARGV[costs_at + key] + 0
    end
    local is, fits = stored[KEYS[key]], nil
    if is == true then
      -- It is not looked at, and what the others of this order show is not read.
      is, verdict = false, -1
    end
    fits, values[i], values_us[i], heals[i], heals_us[i] = each[i](is, cost)
    if not fits then
      verdict = math.min(verdict, 0)
    end
  end
  reply[verdict_at] = verdict
  for i = 1, limits do
    local key, value, us = KEYS[first + i], heals[i], heals_us[i]
    if mode == 'look' or verdict < 0 then
      value = nil
    elseif is_give then
      value, us = stored[key] and values[i], values_us[i]
    elseif verdict == 1 then
      value, us = values[i], values_us[i]
    end
    if value then
      if not times[key] then
        changed[#changed + 1] = key
      end
      stored[key], times[key] = value, us
    end
  end
end
for i = 1, #changed do
  local key = changed[i]
  call('SET', key, stored[key], 'PX', text(math.max(1, ceil(times[key] / 1000))))
end
return reply
