#!lua flags=allow-oom
-- Marks tags as having a writer in flight, before its COMMIT: until it ends, their entries are neither served nor stored.
-- The mark has no expiry, because nobody knows how long a COMMIT takes.
-- KEYS: for each tag: its generation, its writers.
-- ARGV: writer.
local time = redis.call('TIME')
for tag = 1, #KEYS, 2 do
    local added = redis.pcall('ZADD', KEYS[tag + 1], time[1], ARGV[1])
    if type(added) == 'table' then -- an error: other code wrote a value of another type
        redis.call('DEL', KEYS[tag + 1])
        redis.call('ZADD', KEYS[tag + 1], time[1], ARGV[1])
    end
    redis.call('SET', KEYS[tag], '!')
end
return 1
