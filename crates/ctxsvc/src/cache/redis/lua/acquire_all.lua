-- Takes the right to load values, if there is nothing at all of any of these names.
--
-- KEYS   names
-- ARGV   1  token of 16 bytes, by which the right is known
--        2  ms for which it holds
-- Reply  {ms now, 1 if the right was taken, else 0}
local now = now_ms()
-- Where there is anything the first one tells, as a rule.
if redis.call('EXISTS', KEYS[1]) > 0 or redis.call('EXISTS', unpack(KEYS)) > 0 then
  return {now, 0}
end
local held = '\2' .. ARGV[1] .. struct.pack('>I8', now + ARGV[2])
for _, name in ipairs(KEYS) do
  redis.call('SET', name, held, 'PX', ARGV[2])
end
return {now, 1}
