-- Returns whether a tag has a writer in flight. A value of another type was written by other code: it is deleted.
local function in_flight(writers)
    if redis.call('TYPE', writers).ok == 'zset' then return true end
    redis.call('DEL', writers)
    return false
end
