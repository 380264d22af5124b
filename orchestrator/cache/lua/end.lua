#!lua flags=allow-oom
-- Tells that a writer has committed or rolled back: the last one out of a tag gives it a new generation.
-- KEYS: for each tag: its generation, its writers.
-- ARGV: writer, token, how long a generation is kept (ms).
-- include in_flight
for tag = 1, #KEYS, 2 do
    redis.pcall('ZREM', KEYS[tag + 1], ARGV[1])
    if not in_flight(KEYS[tag + 1]) then redis.call('SET', KEYS[tag], ARGV[2], 'PX', ARGV[3]) end
end
return 1
