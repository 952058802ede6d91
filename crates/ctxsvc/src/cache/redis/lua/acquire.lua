-- Takes the right to load values: of each name that has no fresh one, and that nobody else has the
-- right for. An old value stays behind the right, for the case that there is no newer one to be had,
-- and so does the version that is left of one that was forgotten.
--
-- KEYS   names
-- ARGV   1  token of 16 bytes, by which the right is known
--        2  ms for which it holds
--        3  1 if what is there can't be read, so that it counts as nothing; 2 if it can, and is older than
--           what whoever asks has seen, so that it is not fresh; else 0
--        4  ms for which a value is fresh after it was filled, if whoever has filled it has not said less
--        5  the same for what says that there is no value
--        6  bytes that it may have: a longer one takes too long on its way, so that it is not sent
-- Reply  {ms now, then for each name two:
--          -1 a value that is fresh; 0 the right was taken; else ms for which another one has it
--          the value, or the old one behind the right, or '' if it is not sent or there is nothing}
local token, lease, unreadable, outdated = ARGV[1], ARGV[2] + 0, ARGV[3] == '1', ARGV[3] == '2'
local ttl, negative_ttl, longest = ARGV[4] + 0, ARGV[5] + 0, ARGV[6] + 0
local now = now_ms()
local held = '\2' .. token .. struct.pack('>I8', now + lease)
local reply = {now}
local function take(name, stored)
  local left, old = 0, stored
  if string.byte(stored) == 2 and #stored >= 25 then
    left, old = math.max(0, struct.unpack('>I8', stored, 18) - now), string.sub(stored, 26)
  end
  local is_value, is_sent = string.byte(old) == 3 and #old >= 55, #old <= longest
  if not is_value then
    old = seen(old, now, 0) and old or ''
  elseif unreadable then
    old = ''
  elseif old == stored and is_sent and not outdated then
    local exists = string.byte(old, 3) % 2 == 1
    local fresh_until, _, filled_at = struct.unpack('>I8I8I8', old, 8)
    -- What is from the future is from before the clock was set back: nobody knows how old it is.
    local is_known = filled_at <= now
    if is_known and now < math.min(fresh_until, filled_at + (exists and ttl or negative_ttl)) then
      left = -1
    end
  end
  if left == 0 then
    local px = old == '' and ARGV[2] or string.format('%.0f', math.max(lease, redis.call('PTTL', name)))
    redis.call('SET', name, held .. old, 'PX', px)
  end
  reply[#reply + 1] = left
  reply[#reply + 1] = left <= 0 and is_value and is_sent and old or ''
end
-- Lua takes so many arguments, and some more.
for first = 1, #KEYS, 1000 do
  local names = {unpack(KEYS, first, math.min(first + 999, #KEYS))}
  for i, stored in ipairs(redis.call('MGET', unpack(names))) do
    -- Nothing, or not a string, is false: it is our name, so it is overwritten.
    take(names[i], stored or '')
  end
end
return reply
