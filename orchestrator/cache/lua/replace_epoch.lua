#!lua flags=allow-oom
-- Voids every entry: replaces one epoch that is in doubt, or any that is not. An epoch in doubt begins with "?".
-- KEYS: epoch. ARGV: the epoch in doubt, or "" for any that is not; token; milliseconds until the epoch expires.
-- Returns: 1 if it was replaced, else 0.
local epoch = redis.call('GET', KEYS[1])
local replaced = epoch == ARGV[1] or (ARGV[1] == '' and epoch and epoch:byte() ~= 63)
if not replaced then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
