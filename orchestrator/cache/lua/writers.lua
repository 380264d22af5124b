#!lua flags=no-writes
-- Lists the writers in flight that have not ended for a while: they may be dead.
-- KEYS: for each tag: its generation, its writers. ARGV: seconds.
-- Returns: the writers; or 0 if a generation is marked but has no writer, so that its writers have been lost.
local before = redis.call('TIME')[1] - ARGV[1]
local found = {}
for tag = 1, #KEYS, 2 do
    local marked = redis.call('MGET', KEYS[tag])[1] == '!'
    local writers = redis.call('TYPE', KEYS[tag + 1]).ok == 'zset'
    if marked and not writers then return 0 end
    if writers then
        for _, writer in ipairs(redis.call('ZRANGE', KEYS[tag + 1], '-inf', before, 'BYSCORE')) do found[#found + 1] = writer end
    end
end
return found
