#!lua flags=no-writes
-- Reads what some questions' answers depend on, and the answers that are still good.
-- KEYS: epoch, lease; then for each question: its entry, its generations.
-- ARGV: for each question: how many generations, the ETag whose body the caller already has ("" for none).
-- Returns: 1 if the cache may be trusted, else 0; then for each question
--   {"hit", stamp, etag, seal, body or ""}   {"miss", stamp}   {"busy"}: a write is in flight   {"unknown"}: to be opened
-- A value of the wrong type is somebody else's doing, and counts as missing, as MGET has it.
local values = redis.call('MGET', unpack(KEYS))
local epoch = values[1]
local reply = {values[2] and 1 or 0}
local at = 3
for question = 1, #ARGV, 2 do
    local stamp = epoch
    local state = epoch and 'miss' or 'unknown'
    for generation = at + 1, at + tonumber(ARGV[question]) do
        local token = values[generation]
        if token == '!' then
            state = 'busy'
        elseif not token then
            if state == 'miss' then state = 'unknown' end
        elseif stamp then
            stamp = stamp .. ',' .. token
        end
    end
    local answer = {state, stamp}
    if state == 'miss' then
        local entry = redis.pcall('HMGET', KEYS[at], 'stamp', 'etag', 'seal')
        if entry[1] == stamp and entry[2] and entry[3] then
            local body = ''
            if entry[2] ~= ARGV[question + 1] then body = redis.call('HGET', KEYS[at], 'body') end
            answer = {'hit', stamp, entry[2], entry[3], body or ''}
        end
    elseif state == 'busy' or state == 'unknown' then
        answer = {state}
    end
    reply[#reply + 1] = answer
    at = at + 1 + tonumber(ARGV[question])
end
return reply
