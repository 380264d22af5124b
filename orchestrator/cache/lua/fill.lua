#!lua
-- Stores an entry under the version that was read before the database was queried, if that is still the current one.
-- KEYS: epoch, fill lock, entry; then the generation of each tag.
-- ARGV: caller, version, ETag, signature, body, key, time to live in milliseconds.
-- Returns: 1 if the entry was stored, else 0.
-- A value of another type was written by other code and counts as missing: MGET returns nil for it.
local values = redis.call('MGET', unpack(KEYS))
if values[2] == ARGV[1] then redis.call('DEL', KEYS[2]) end
local version = values[1] or ''
for tag = 4, #KEYS do version = version .. ',' .. (values[tag] or '') end
if version ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], 'version', ARGV[2], 'etag', ARGV[3], 'signature', ARGV[4], 'body', ARGV[5], 'key', ARGV[6])
redis.call('PEXPIRE', KEYS[3], ARGV[7])
return 1
