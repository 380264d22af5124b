-- Returns whether a tag has a writer in flight. A value that is no set of writers, or that never expires, was written
-- by other code: it is deleted.
local function in_flight(writers)
    if redis.call('EXISTS', writers) == 0 then return false end
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local dead = redis.pcall('ZREMRANGEBYSCORE', writers, '-inf', now)
    if type(dead) == 'table' or redis.call('PTTL', writers) == -1 then redis.call('DEL', writers) end
    return redis.call('EXISTS', writers) == 1
end
