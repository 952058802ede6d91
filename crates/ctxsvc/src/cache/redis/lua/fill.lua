-- Puts values in the place of rights to load them, where these still hold. One that is over is given
-- back, if nobody else has taken it: an old value may have kept it in its place.
--
-- KEYS   names
-- ARGV   1  token of the rights
--        then for each name two:
--          the value, or '' to give the right back
--          ms for which it is kept
-- Reply  {for each name 1 if the right still held, else 0}
local token, reply = '\2' .. ARGV[1], {}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i, name in ipairs(KEYS) do
  local value, ms = ARGV[2 * i], ARGV[2 * i + 1]
  local right = redis.pcall('GETRANGE', name, 0, 24)
  local ours = type(right) == 'string' and #right == 25 and string.sub(right, 1, 17) == token
  local held = ours and now < struct.unpack('>I8', right, 18)
  if held and value ~= '' then
    redis.call('SET', name, value, 'PX', ms)
  elseif ours then
    local old = redis.call('GETRANGE', name, 25, -1)
    if old == '' then
      redis.call('DEL', name)
    else
      redis.call('SET', name, old, 'KEEPTTL')
    end
  end
  reply[i] = held and 1 or 0
end
return reply
