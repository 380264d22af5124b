#!lua flags=allow-oom
-- Gives the tags of outbox rows new generations; where a writer is in flight, its end will.
-- KEYS: for each tag: its generation, its writers.
-- ARGV: token, milliseconds for which a generation is kept.
-- include in_flight
for tag = 1, #KEYS, 2 do
    if in_flight(KEYS[tag + 1]) then
        redis.call('SET', KEYS[tag], '!')
    else
        redis.call('SET', KEYS[tag], ARGV[1], 'PX', ARGV[2])
    end
    wake(KEYS[tag])
end
return 1
