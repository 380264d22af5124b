#!lua flags=allow-oom
-- Tells that a writer has committed or rolled back: the last one out of a family gives it a new generation.
-- KEYS: for each family: its generation, its writers.
-- ARGV: writer, token, how long a generation is kept (ms).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Tells whether a writer is in flight; what is no set of writers, or has no end, is somebody else's doing.
local function in_flight(writers)
    if redis.call('EXISTS', writers) == 0 then return false end
    local dead = redis.pcall('ZREMRANGEBYSCORE', writers, '-inf', now)
    if type(dead) == 'table' or redis.call('PTTL', writers) == -1 then redis.call('DEL', writers) end
    return redis.call('EXISTS', writers) == 1
end
for family = 1, #KEYS, 2 do
    redis.pcall('ZREM', KEYS[family + 1], ARGV[1])
    if not in_flight(KEYS[family + 1]) then redis.call('SET', KEYS[family], ARGV[2], 'PX', ARGV[3]) end
end
return 1
