
-- Settles a queue that has fallen due, at most so many things; answers how many.
local function sweep_queue(id, limit, swept)
  local q = load(T .. id)
  if not q then
    call('ZREM', T .. 'd', id)
    return 0
  end
  if q.dropping then
    write_whatever_memory(q)
    set_due(q, NEVER)
    return 0
  end
  if q.due > now then
    set_due(q, q.due)
    return 0
  end
  local step = min(limit, STEP)
  local done = settle(q, step, swept)
  if done < step then
    local moved, stuck = bury(q, step - done)
    swept.moved, swept.stuck = swept.moved + moved, swept.stuck + stuck
    done = done + moved
  end
  return done
end

-- Settles queues of this placement, the one that fell due first before others, at most so many
-- things. A queue counts even if nothing was to be done there, so that this comes to an end. One of
-- which keys hold something foreign stays as it is, and keeps up no others.
local function sweep(limit, swept)
  local left = limit
  while left > 0 do
    local id = call('ZRANGEBYSCORE', T .. 'd', '-inf', now, 'LIMIT', 0, 1)[1]
    if not id then return false end
    local is_swept, done = pcall(sweep_queue, id, left, swept)
    if not is_swept then
      if not is_foreign(done) then error(done, 0) end
      -- Its first write is not refused where memory is short.
      call('ZREM', T .. 'd', id)
      call('ZADD', T .. 'd', now + TRY_AGAIN, id)
      swept.foreign[#swept.foreign + 1] = id
      done = 0
    end
    left = left - max(done, 1)
  end
  return call('ZCOUNT', T .. 'd', '-inf', now) > 0
end
