#!lua flags=allow-oom
-- Makes stale what the outbox named, voids everything if asked, and renews the lease on trust.
-- KEYS: epoch, lease; then for each family: its generation, its writers.
-- ARGV: token, how long a generation is kept (ms), until when the cache may be trusted (ms, 0: not), 1 to void everything.
-- Returns: 1 if a lease is in force afterwards, else 0.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Tells whether a writer is in flight; what is no set of writers, or has no end, is somebody else's doing.
local function in_flight(writers)
    if redis.call('EXISTS', writers) == 0 then return false end
    local dead = redis.pcall('ZREMRANGEBYSCORE', writers, '-inf', now)
    if type(dead) == 'table' or redis.call('PTTL', writers) == -1 then redis.call('DEL', writers) end
    return redis.call('EXISTS', writers) == 1
end
if ARGV[4] == '1' or redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SET', KEYS[1], ARGV[1]) end
for family = 3, #KEYS, 2 do
    if not in_flight(KEYS[family + 1]) then redis.call('SET', KEYS[family], ARGV[1], 'PX', ARGV[2]) end
end
local until_ms = tonumber(ARGV[3])
if until_ms > now and redis.call('PEXPIRETIME', KEYS[2]) < until_ms then
    redis.call('SET', KEYS[2], '1', 'PXAT', until_ms)
end
return redis.call('EXISTS', KEYS[2])
