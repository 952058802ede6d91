-- A time that carries parts of a µs: '1790000000123457:2', without them '1790000000123457'.

-- How far what is stored lies ahead of now, with parts. What is no number is as good as nothing, and
-- parts of another quota are off by less than a µs.
local function ahead(stored, denominator)
  local at, part = tonumber(stored), 0
  if not at then
    at, part = match(stored, '^(%d+):(%d+)$')
    part = math.min((part or 0) + 0, denominator - 1)
  end
  local debt = floor((at or now) - now)
  -- A comparison with NaN is false.
  if not (debt >= 0) then
    return 0, 0
  end
  return debt, part
end

-- The same as text, and for how many µs it counts.
local function arrival(debt, part)
  if part > 0 then
    return format('%d:%d', now + debt, part), debt + 1
  end
  return text(now + debt), debt
end
