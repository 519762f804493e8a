
-- Moving messages that have used up their claims to their dead letter queue.

-- How long after messages could not move it is tried again, in ms.
local TRY_AGAIN = 5000

-- Moves at most so many; answers how many, and how many cannot move.
local function bury(q, limit)
  if not q.max or q.again > now then return 0, 0 end
  local places = call('ZRANGE', q.key .. ':0e', 0, limit - 1)
  if #places == 0 then return 0, 0 end
  local target = target_of(q)
  if not target then
    q.again = now + TRY_AGAIN
    write_whatever_memory(q)
    call('HSET', q.key, 'g', q.again)
    set_due(q, first_due(q))
    return 0, call('ZCARD', q.key .. ':0e')
  end
  move(q, target, places)
  set_due(q, first_due(q))
  return #places, 0
end
