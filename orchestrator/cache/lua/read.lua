#!lua flags=no-writes
-- Looks up entries.
-- KEYS: epoch; then for each spec: its entry, the generations of its tags.
-- ARGV: for each spec: its number of tags; version, ETag and signature of the entry that the caller has ("" for none).
-- Returns: 1, or 0 if the epoch is missing or in doubt; then for each spec
--   1: a hit: the caller's entry is current
--   {"hit", version, ETag, signature, body}: body is "" if the caller's entry has the same ETag
--   {"miss"}   {"unknown"}: a generation is missing   {"busy"}: a writer is in flight
-- A value of another type was written by other code and counts as missing: MGET returns nil for it.
local values = redis.call('MGET', unpack(KEYS))
local epoch = values[1]
if not epoch or epoch:byte() == 63 then return {0} end -- it begins with "?"
local replies = {1}
local at = 2
for spec = 1, #ARGV, 4 do
    local version = epoch
    local state = 'miss'
    local last = at + ARGV[spec]
    for generation = at + 1, last do
        local token = values[generation]
        if token == '!' then
            state = 'busy'
        elseif not token then
            if state == 'miss' then state = 'unknown' end
        else
            version = version .. ',' .. token
        end
    end
    local reply
    if state == 'miss' then
        local entry = redis.pcall('HMGET', KEYS[at], 'version', 'etag', 'signature')
        local etag, signature = entry[2], entry[3]
        if entry[1] == version and etag and signature then
            local same_etag = etag == ARGV[spec + 2]
            if same_etag and version == ARGV[spec + 1] and signature == ARGV[spec + 3] then
                reply = 1
            else
                reply = {'hit', version, etag, signature, not same_etag and redis.call('HGET', KEYS[at], 'body') or ''}
            end
        end
    end
    replies[#replies + 1] = reply or {state}
    at = last + 1
end
return replies
