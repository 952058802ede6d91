-- Takes one of some slots, or renews the lease of the permit that holds it already.
--
-- KEYS   1  sorted set: permit -> when its lease ends, µs
-- ARGV   1  slots
--        2  lease, µs
--        3  permit: chosen by the caller, so that asking twice takes one slot, with its lease after
--           a colon, because others may take shorter ones of the same slots
-- Reply  {1 if acquired or else 0, slots held now, µs until the first lease ends, or 0 if acquired}
local key, slots, lease, permit = KEYS[1], ARGV[1] + 0, ARGV[2] + 0, ARGV[3]
local call = redis.call
call('ZREMRANGEBYSCORE', key, '-inf', now)
local ends = now + lease
-- A lease that ends later than one taken now would do is a step back of the clock, or a longer one.
local late = call('ZRANGE', key, string.format('(%.0f', ends), '+inf', 'BYSCORE', 'WITHSCORES')
for i = 1, #late, 2 do
  local own = now + (tonumber(string.match(late[i], ':(%d+)$')) or lease)
  if late[i + 1] + 0 > own then
    call('ZADD', key, own, late[i])
  end
end
if not call('ZSCORE', key, permit) then
  local held = call('ZCARD', key)
  if held >= slots then
    return {0, held, call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] - now}
  end
end
call('ZADD', key, ends, permit)
-- For as long as the longest lease: the key must not go while a slot is held.
local last = call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
call('PEXPIRE', key, math.ceil((last - now) / 1000))
return {1, call('ZCARD', key), 0}
