#!lua flags=allow-oom
-- Makes stale what the outbox named, voids everything if asked, and renews the lease on trust.
-- KEYS: epoch, lease; then for each tag: its generation, its writers.
-- ARGV: token, how long a generation is kept (ms), until when the cache may be trusted (ms, 0: not), 1 to void everything.
-- Returns: 1 if a lease is in force afterwards, else 0.
-- include in_flight
if ARGV[4] == '1' or redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SET', KEYS[1], ARGV[1]) end
for tag = 3, #KEYS, 2 do
    if not in_flight(KEYS[tag + 1]) then redis.call('SET', KEYS[tag], ARGV[1], 'PX', ARGV[2]) end
end
local until_ms = tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if until_ms > now and redis.call('PEXPIRETIME', KEYS[2]) < until_ms then
    redis.call('SET', KEYS[2], '1', 'PXAT', until_ms)
end
return redis.call('EXISTS', KEYS[2])
