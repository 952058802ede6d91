-- Puts values in the place of rights to load them, where these still hold and nothing newer was seen.
-- Otherwise the right is given back, if nobody else has taken it: what was there before may have kept
-- it in its place.
--
-- KEYS   names
-- ARGV   1  token of the rights
--        2  ms for which a version counts after its value has expired
--        then for each name two:
--          the value, or '' to give the right back
--          ms for which it is kept
-- Reply  {for each name 1 if the right still held and the value is not too old, else 0}
local token, reply, now, lag = '\2' .. ARGV[1], {}, now_ms(), ARGV[2] + 0
local function is_old(value, old)
  local version, before, is_forgotten = version_of(value), seen(old, now, lag)
  return version and before
    and (is_below(version, before) or is_forgotten and version == before)
end
for i, name in ipairs(KEYS) do
  local value, ms = ARGV[2 * i + 1], ARGV[2 * i + 2]
  local right = redis.pcall('GETRANGE', name, 0, 79)
  local ours = type(right) == 'string' and #right >= 25 and string.sub(right, 1, 17) == token
  local held = ours and now < struct.unpack('>I8', right, 18) and not is_old(value, string.sub(right, 26))
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
