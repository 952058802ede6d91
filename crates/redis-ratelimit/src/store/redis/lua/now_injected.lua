-- Prologue of every script in tests. `now`: the last argument, in µs. It is a prologue of its own,
-- so that no script in use has an argument through which a caller could set the clock.
local now = table.remove(ARGV) + 0
