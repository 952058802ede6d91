-- Forgets names: values, rights to load them, and whatever else is there. What is left is the highest
-- version that was seen, if there is one: for some time only what is above it is filled.
--
-- KEYS   names
-- ARGV   1  ms for which a version counts
--        then for each name the version that the caller has seen, or ''
local now, lag = now_ms(), ARGV[1] + 0
for i, name in ipairs(KEYS) do
  local stored = redis.pcall('GETRANGE', name, 0, 79)
  stored = type(stored) == 'string' and stored or ''
  if string.byte(stored) == 2 then
    stored = string.sub(stored, 26)
  end
  local version, there = ARGV[i + 1], seen(stored, now, lag)
  if there and (version == '' or is_below(version, there)) then
    version = there
  end
  if version == '' then
    -- To delete what is not there would tell nobody.
    redis.call('SET', name, '')
    redis.call('DEL', name)
  else
    redis.call('SET', name, '\4' .. version .. struct.pack('>I8', now + lag), 'PX', lag)
  end
end
return {}
