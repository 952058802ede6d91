-- One check by the generic cell rate algorithm: gcra.lua for a caller who is alone, without all that
-- several checks need. A key of another type is an error of GET, before anything is written.
--
-- KEYS   1  as in gcra.lua
-- ARGV   1  interval between two units, µs
--        2  tolerance: burst * interval, µs
--        3  cost
-- Reply  {debt before it}
local tolerance, debt, is_ahead = ARGV[2] + 0, 0, false
local stored = redis.call('GET', KEYS[1])
if stored then
  -- As in gcra.lua.
  local at = tonumber(stored) or tonumber(string.match(stored, '^(%d+):%d+$')) or now
  debt = math.floor(at - now)
  if not (debt > 0) then
    debt = 0
  elseif debt > tolerance then
    debt, is_ahead = tolerance, true
  end
end
local after = debt + ARGV[1] * ARGV[3]
if after > tolerance then
  after = debt
end
if is_ahead or after > debt then
  local ms = math.ceil(after / 1000)
  redis.call('SET', KEYS[1], string.format('%d', now + after), 'PX', string.format('%d', ms))
end
return {debt}
