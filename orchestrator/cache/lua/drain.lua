#!lua flags=allow-oom
-- Invalidates the tags of outbox rows, or every entry, and extends the lease.
-- KEYS: epoch, lease; then for each tag: its generation, its writers.
-- ARGV: token, milliseconds for which a generation is kept, end of the lease (timestamp in ms; 0: leave it as it is),
--       1 to void every entry.
-- Returns: 1 if the lease exists afterwards, else 0.
-- include in_flight
if ARGV[4] == '1' or redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SET', KEYS[1], ARGV[1]) end
for tag = 3, #KEYS, 2 do
    if not in_flight(KEYS[tag + 1]) then redis.call('SET', KEYS[tag], ARGV[1], 'PX', ARGV[2]) end
end
local lease_end = tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if lease_end > now and redis.call('PEXPIRETIME', KEYS[2]) < lease_end then
    redis.call('SET', KEYS[2], '1', 'PXAT', lease_end)
end
return redis.call('EXISTS', KEYS[2])
