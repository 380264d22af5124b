#!lua flags=allow-oom
-- Makes a question ready to be answered: mints missing generations and lets one caller fill the entry.
-- KEYS: epoch, fill lock, entry; then for each tag: its generation, its writers.
-- ARGV: caller, token for what is missing, how long a generation is kept (ms), how long a fill may take (ms),
--       1 to fill even what somebody has just filled.
-- Returns: {"fill", version}: fill it   {"wait"}: somebody else does   {"filled"}: somebody else has done
--   {"busy"}: a write is in flight
-- A value of the wrong type is somebody else's doing, and counts as missing, as MGET has it.
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
