#!lua flags=allow-oom
-- Tells that a writer has committed or rolled back: the last one out of a family gives it a new generation.
-- KEYS: for each family: its generation, its writers.
-- ARGV: writer, token, how long a generation is kept (ms).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for family = 1, #KEYS, 2 do
    redis.pcall('ZREM', KEYS[family + 1], ARGV[1])
    redis.pcall('ZREMRANGEBYSCORE', KEYS[family + 1], '-inf', now)
    if redis.call('EXISTS', KEYS[family + 1]) == 0 then
        redis.call('SET', KEYS[family], ARGV[2], 'PX', ARGV[3])
    end
end
return 1
