#!lua flags=allow-oom
-- Replaces an epoch that is in doubt, unless another one was put in doubt meanwhile.
-- KEYS: epoch. ARGV: the epoch in doubt, token, milliseconds until the epoch expires.
-- Returns: 1 if it was replaced, else 0.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
