-- How every script for limits reads: all keys at once, before anything is written. So an error at
-- one of them takes from none.
local call = redis.call
local floor, ceil, format, match = math.floor, math.ceil, string.format, string.match

-- What is stored under each key; nothing is `false`, and `true` is what is no text: another program's.
-- A key that is alone says that by an error.
local function read(keys)
  if #keys == 1 then
    return {call('GET', keys[1])}
  end
  local stored, found = call('MGET', unpack(keys)), 0
  for i = 1, #keys do
    if stored[i] then
      found = found + 1
    end
  end
  if found < #keys and call('EXISTS', unpack(keys)) > found then
    for i = 1, #keys do
      stored[i] = stored[i] or call('EXISTS', keys[i]) == 1
    end
  end
  return stored
end

-- A whole number as text. Left to Redis, it is printed as a fraction might have to be, which takes
-- longer.
local function text(number)
  return format('%d', number)
end
