#!lua flags=no-writes
-- Reads what some questions' answers depend on, and the answers that are still good.
-- KEYS: epoch, lease; then for each question: its entry, its generations.
-- ARGV: for each question: how many generations; version, ETag and seal of the answer that the caller has ("" for none).
-- Returns: 1 if the cache may be trusted, else 0; then for each question
--   1: a hit, and what the caller has   {"hit", version, etag, seal, body, or "" if the caller has one of that ETag}
--   {"miss"}   {"busy"}: a write is in flight   {"unknown"}: to be opened
-- A value of the wrong type is somebody else's doing, and counts as missing, as MGET has it.
local values = redis.call('MGET', unpack(KEYS))
local epoch = values[1]
local reply = {values[2] and 1 or 0}
local at = 3
for question = 1, #ARGV, 4 do
    local version = epoch
    local state = epoch and 'miss' or 'unknown'
    local last = at + ARGV[question]
    for generation = at + 1, last do
        local token = values[generation]
        if token == '!' then
            state = 'busy'
        elseif not token then
            if state == 'miss' then state = 'unknown' end
        elseif version then
            version = version .. ',' .. token
        end
    end
    local answer
    if state == 'miss' then
        local entry = redis.pcall('HMGET', KEYS[at], 'version', 'etag', 'seal')
        local etag, seal = entry[2], entry[3]
        if entry[1] == version and etag and seal then
            local known = etag == ARGV[question + 2]
            if known and version == ARGV[question + 1] and seal == ARGV[question + 3] then
                answer = 1
            else
                answer = {'hit', version, etag, seal, not known and redis.call('HGET', KEYS[at], 'body') or ''}
            end
        end
    end
    reply[#reply + 1] = answer or {state}
    at = last + 1
end
return reply
