-- Takes one of some slots, or renews the lease of the permit that holds it already.
--
-- KEYS   1  sorted set: permit -> when its lease ends, µs
-- ARGV   1  slots
--        2  lease, µs
--        3  permit: chosen by the caller, so that asking twice takes one slot
-- Reply  {1 if acquired or else 0, slots held now, µs until the first lease ends, or 0 if acquired}
local key, slots, lease, permit = KEYS[1], ARGV[1] + 0, ARGV[2] + 0, ARGV[3]
local call = redis.call
call('ZREMRANGEBYSCORE', key, '-inf', now)
local ends = now + lease
-- A lease that ends later than one taken now would do is a step back of the clock.
local late = call('ZRANGE', key, string.format('(%.0f', ends), '+inf', 'BYSCORE')
for i = 1, #late do
  call('ZADD', key, ends, late[i])
end
if not call('ZSCORE', key, permit) then
  local held = call('ZCARD', key)
  if held >= slots then
    return {0, held, call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] - now}
  end
end
call('ZADD', key, ends, permit)
call('PEXPIRE', key, math.ceil(lease / 1000))
return {1, call('ZCARD', key), 0}
