
-- Settles queues of this placement, the one that fell due first before others, at most so many
-- things. A queue counts even if nothing was to be done there, so that this comes to an end.
local function sweep(limit, swept)
  local left = limit
  while left > 0 do
    local id = call('ZRANGEBYSCORE', T .. 'd', '-inf', now, 'LIMIT', 0, 1)[1]
    if not id then return false end
    local q = load(T .. id)
    if not q then
      call('ZREM', T .. 'd', id)
      left = left - 1
    elseif q.dropping then
      write_whatever_memory(q)
      set_due(q, NEVER)
      left = left - 1
    elseif q.due > now then
      set_due(q, q.due)
      left = left - 1
    else
      local step = min(left, STEP)
      local done = settle(q, step, swept)
      if done < step then
        local moved, stuck = bury(q, step - done)
        swept.moved, swept.stuck = swept.moved + moved, swept.stuck + stuck
        done = done + moved
      end
      left = left - max(done, 1)
    end
  end
  return call('ZCOUNT', T .. 'd', '-inf', now) > 0
end
