-- Prologue of every script in use. `now`: the server's clock in µs, read once. A double counts
-- such a number exactly until the year 2255.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
