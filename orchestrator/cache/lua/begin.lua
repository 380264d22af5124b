#!lua flags=allow-oom
-- Announces that a writer is about to commit: no answer of these tags may be served or stored meanwhile.
-- KEYS: for each tag: its generation, its writers.
-- ARGV: writer, after how long it counts as dead (ms).
local time = redis.call('TIME')
local expiry = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
for tag = 1, #KEYS, 2 do
    local added = redis.pcall('ZADD', KEYS[tag + 1], expiry, ARGV[1])
    if type(added) == 'table' then -- of the wrong type: somebody else's doing
        redis.call('DEL', KEYS[tag + 1])
        redis.call('ZADD', KEYS[tag + 1], expiry, ARGV[1])
    end
    redis.call('PEXPIREAT', KEYS[tag + 1], expiry)
    redis.call('SET', KEYS[tag], '!', 'PXAT', expiry)
end
return 1
