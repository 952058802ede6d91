-- One check by the generic cell rate algorithm: gcra.lua for a caller who is alone, without all that
-- several checks need. A key of another type is an error of GET, before anything is written.
--
-- KEYS   1  as in gcra.lua
-- ARGV   1  tolerance: burst * interval, µs
--        2  what the check adds to the debt: cost * interval, µs
-- Reply  the debt before it
local call, key = redis.call, KEYS[1]
local tolerance, debt, is_ahead = ARGV[1] + 0, 0, false
local stored = call('GET', key)
if stored then
  -- As in gcra.lua.
  local at = tonumber(stored) or tonumber(string.match(stored, '^(%d+):%d+$')) or now
  debt = at - now
  if not (debt > 0) then
    debt = 0
  elseif debt > tolerance then
    debt, is_ahead = tolerance, true
  else
    -- What is damaged may have a part of a µs. The reply would lose it, and say more than is done.
    debt = debt - debt % 1
  end
end
local after = debt + ARGV[2]
if after > tolerance then
  after = debt
end
if is_ahead or after > debt then
  -- Rounded up: what is behind the point is cut off.
  local ms = string.format('%d', (after + 999) / 1000)
  call('SET', key, string.format('%d', now + after), 'PX', ms)
end
return debt
