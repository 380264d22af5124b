-- Returns whether a tag has a writer in flight. A value of another type was written by other code: it is deleted.
local function in_flight(writers)
    local kind = redis.call('TYPE', writers).ok
    if kind ~= 'zset' and kind ~= 'none' then redis.call('DEL', writers) end
    return kind == 'zset'
end
