#!lua flags=allow-oom
-- Claims the building of an entry for one caller (single flight), and creates missing generations.
-- KEYS: epoch, fill lock, entry; then for each tag: its generation, its writers.
-- ARGV: caller, token for missing generations, milliseconds for which a generation is kept,
--       milliseconds after which the claim ends, 1 to claim even if the entry is current.
-- Returns: {"fill", version}: the caller has the claim   {"wait"}: another caller has it
--   {"filled"}: the entry is current   {"busy"}: a writer is in flight, or the epoch is missing or in doubt
-- A value of another type was written by other code and counts as missing: MGET returns nil for it.
local values = redis.call('MGET', unpack(KEYS))
local version = values[1]
if not version or version:byte() == 63 then return {'busy'} end -- an epoch in doubt begins with "?"
for tag = 4, #KEYS, 2 do
    local token = values[tag]
    if not token then
        if redis.call('TYPE', KEYS[tag + 1]).ok == 'zset' then
            token = '!'
            redis.call('SET', KEYS[tag], token)
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
