-- Puts values in the place of rights to load them, where these still hold.
--
-- KEYS   names
-- ARGV   1  token of the rights
--        then for each name two:
--          the value, or '' to give the right back
--          ms for which it is kept
-- Reply  {for each name 1 if the right still held, else 0}
local token, reply = '\2' .. ARGV[1], {}
for i, name in ipairs(KEYS) do
  local value, ms = ARGV[2 * i], ARGV[2 * i + 1]
  local held = redis.pcall('GETRANGE', name, 0, 16) == token
  if held and value ~= '' then
    redis.call('SET', name, value, 'PX', ms)
  elseif held then
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
