#!lua flags=allow-oom
-- Claims the building of an entry for one caller (single flight), and creates missing generations.
-- KEYS: epoch, fill lock, entry; then for each tag: its generation, its writers.
-- ARGV: caller, token for missing generations, milliseconds for which a generation is kept,
--       milliseconds after which the claim ends, 1 to claim even if the entry is current.
-- Returns: {"fill", version}: the caller has the claim   {"wait"}: another caller has it
--   {"filled"}: the entry is current   {"busy"}: a writer is in flight
-- A value of another type was written by other code and counts as missing: MGET returns nil for it.
local values = redis.call('MGET', unpack(KEYS))
local version = values[1]
if not version then
    version = ARGV[2]
    redis.call('SET', KEYS[1], version)
end
for tag = 4, #KEYS, 2 do
    local token = values[tag]
    if not token then
        local time = redis.call('TIME')
        redis.pcall('ZREMRANGEBYSCORE', KEYS[tag + 1], '-inf', time[1] * 1000 + math.floor(time[2] / 1000))
        local last = redis.pcall('ZRANGE', KEYS[tag + 1], -1, -1, 'WITHSCORES')
        if last[2] then
            token = '!'
            redis.call('SET', KEYS[tag], token, 'PXAT', last[2])
        else
            token = ARGV[2]
            redis.call('SET', KEYS[tag], token, 'PX', ARGV[3])
        end
    end
    if token == '!' then return {'busy'} end
    version = version .. ',' .. token
end
if ARGV[5] ~= '1' and redis.pcall('HGET', KEYS[3], 'version') == version then return {'filled'} end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[4]) then return {'fill', version} end
return {'wait'}
