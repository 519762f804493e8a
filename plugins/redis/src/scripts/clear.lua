
-- Deletes messages of a lane, at most so many; answers how many there were.
local function clear(q, lane, limit)
  if limit <= 0 then return 0 end
  local places = call('ZRANGE', q.key .. ':' .. lane .. 'x', 0, limit - 1)
  if #places > 0 then take_out(q, lane, places, SETS) end
  return #places
end

-- Deletes claims, at most so many; answers how many there were.
local function clear_claims(q, limit)
  if limit <= 0 then return 0 end
  local ids = call('ZRANGE', q.key .. ':C', 0, limit - 1)
  if #ids == 0 then return 0 end
  call('HDEL', q.key .. ':c', unpack(ids))
  call('HDEL', q.key .. ':h', unpack(ids))
  call('ZREM', q.key .. ':C', unpack(ids))
  return #ids
end
