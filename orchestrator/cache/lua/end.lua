#!lua flags=allow-oom
-- Ends a write after its COMMIT or ROLLBACK: the last writer in flight of a tag gives it a new generation.
-- KEYS: for each tag: its generation, its writers.
-- ARGV: writer, token, milliseconds for which a generation is kept.
-- include in_flight
for tag = 1, #KEYS, 2 do
    redis.pcall('ZREM', KEYS[tag + 1], ARGV[1])
    if not in_flight(KEYS[tag + 1]) then redis.call('SET', KEYS[tag], ARGV[2], 'PX', ARGV[3]) end
end
return 1
