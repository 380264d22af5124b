-- Returns whether a tag has a writer in flight. A value of another type was written by other code: it is deleted.
local function in_flight(writers)
    local kind = redis.call('TYPE', writers).ok
    if kind ~= 'zset' and kind ~= 'none' then redis.call('DEL', writers) end
    return kind == 'zset'
end
-- Tells the listeners (cache/wakeups.py) that events were committed, where one of the tags is that of all events.
local function wake(generation)
    if generation:sub(-9) == ':g:events' then redis.call('PUBLISH', generation, '') end
end
