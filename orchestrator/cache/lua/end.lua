#!lua flags=allow-oom
-- Ends writes after their COMMIT or ROLLBACK: the last writer in flight of a tag gives it a new generation.
-- KEYS: for each tag: its generation, its writers.
-- ARGV: token, milliseconds for which a generation is kept, writers.
-- include in_flight
for tag = 1, #KEYS, 2 do
    redis.pcall('ZREM', KEYS[tag + 1], unpack(ARGV, 3))
    if not in_flight(KEYS[tag + 1]) then redis.call('SET', KEYS[tag], ARGV[1], 'PX', ARGV[2]) end
    wake(KEYS[tag])
end
return 1
