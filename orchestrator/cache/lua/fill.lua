#!lua
-- Stores an answer under the version that was read before the database was asked, if it is still the current one.
-- KEYS: epoch, fill lock, entry; then the generation of each tag.
-- ARGV: caller, version, etag, seal, body, key, time to live (ms).
-- Returns: 1 if it was stored, else 0.
-- A value of the wrong type is somebody else's doing, and counts as missing, as MGET has it.
local values = redis.call('MGET', unpack(KEYS))
if values[2] == ARGV[1] then redis.call('DEL', KEYS[2]) end
local version = values[1] or ''
for tag = 4, #KEYS do version = version .. ',' .. (values[tag] or '') end
if version ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], 'version', ARGV[2], 'etag', ARGV[3], 'seal', ARGV[4], 'body', ARGV[5], 'key', ARGV[6])
redis.call('PEXPIRE', KEYS[3], ARGV[7])
return 1
