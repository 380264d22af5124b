#!lua flags=allow-oom
-- Marks tags as having a writer in flight, before its COMMIT: until it ends, their entries are neither served nor stored.
-- KEYS: for each tag: its generation, its writers.
-- ARGV: writer, milliseconds after which it counts as dead.
local time = redis.call('TIME')
local expiry = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
for tag = 1, #KEYS, 2 do
    local added = redis.pcall('ZADD', KEYS[tag + 1], expiry, ARGV[1])
    if type(added) == 'table' then -- an error: other code wrote a value of another type
        redis.call('DEL', KEYS[tag + 1])
        redis.call('ZADD', KEYS[tag + 1], expiry, ARGV[1])
    end
    redis.call('PEXPIREAT', KEYS[tag + 1], expiry)
    redis.call('SET', KEYS[tag], '!', 'PXAT', expiry)
end
return 1
