-- Takes the right to load values: of each name that has no fresh one, and that nobody else has the
-- right for. An old value stays behind the right, for the case that there is no newer one to be had.
--
-- KEYS   names
-- ARGV   1  token of 16 bytes, by which the right is known
--        2  ms for which it holds
--        3  1 if what is there can't be read, so that it counts as nothing; else 0
-- Reply  {ms now, then for each name two:
--          -1 a value that is fresh; 0 the right was taken; else ms for which another one has it
--          the value, or the old one behind the right, or nothing as ''}
local token, lease, unreadable = ARGV[1], ARGV[2] + 0, ARGV[3] == '1'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reply = {now}
for _, name in ipairs(KEYS) do
  local stored = redis.pcall('GET', name)
  if type(stored) ~= 'string' then
    -- Nothing, or not a string: an error as a table. It is our name, so it is overwritten.
    stored = ''
  end
  local left, old = 0, stored
  if string.byte(stored) == 2 and #stored >= 25 then
    left, old = math.max(0, struct.unpack('>I8', stored, 18) - now), string.sub(stored, 26)
  end
  if unreadable or string.byte(old) ~= 1 or #old < 15 then
    old = ''
  elseif old == stored and now < struct.unpack('>I8', old, 8) then
    left = -1
  end
  if left == 0 then
    local px = math.max(lease, redis.call('PTTL', name))
    if old == '' then
      px = lease
    end
    local held = '\2' .. token .. struct.pack('>I8', now + lease)
    redis.call('SET', name, held .. old, 'PX', string.format('%.0f', px))
  end
  reply[#reply + 1] = left
  reply[#reply + 1] = left > 0 and '' or old
end
return reply
