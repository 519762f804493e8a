
-- Bringing a queue up to date: expired messages go, claims and delays end, and messages are held
-- against a rule that has changed. Each is met once, in bounded steps.

local function lanes_of(q)
  return q.lanes and { '0', '1', '2' } or { '0' }
end

-- Of messages whose end has come, those that have used up their claims, and the others.
local function parted(q, places)
  local worn, ended = {}, {}
  local states = call('HMGET', q.key .. ':0s', unpack(places))
  for i, place in ipairs(places) do
    local to = ended
    if states[i] then
      local _, _, _, _, claims = read(STATE, states[i])
      if claims >= q.max then to = worn end
    end
    to[#to + 1] = place
  end
  return worn, ended
end

-- Removes messages whose end has come, and moves those of them that are dead letters by then; answers how
-- many there were, and how many were moved.
local function expire(q, lane, limit)
  local places = call('ZRANGEBYSCORE', q.key .. ':' .. lane .. 'x', '-inf', now, 'LIMIT', 0, limit)
  if #places == 0 then return 0, 0 end
  local worn, ended = {}, places
  local target = lane == '0' and target_of(q)
  if target then worn, ended = parted(q, places) end
  if #worn > 0 then move(q, target, worn) end
  if #ended > 0 then take_out(q, lane, ended, SETS) end
  return #places, #worn
end

-- Puts messages into the state that each has come to; `found` holds place and record of those
-- that have a record.
local function put(q, lane, ready, worn, kept)
  local base = q.key .. ':' .. lane
  if #ready > 0 then
    call('ZADD', base .. 'r', unpack(ready))
    if lane ~= '0' then lane_ready(q, lane) end
    stir(q)
  end
  if #worn > 0 then call('ZADD', base .. 'e', unpack(worn)) end
  if #kept > 0 then call('HSET', base .. 's', unpack(kept)) end
  -- Who remembers a run of its own messages must look again: others' may be back in it.
  if lane == '0' then call('HINCRBY', q.key, 'v', 1) end
end

-- Frees messages whose delay or claim has ended; answers how many, and how many of them were claimed.
local function wake(q, lane, limit)
  local base = q.key .. ':' .. lane
  local places = call('ZRANGEBYSCORE', base .. 'w', '-inf', now, 'LIMIT', 0, limit)
  if #places == 0 then return 0, 0 end
  local states = call('HMGET', base .. 's', unpack(places))
  local ready, worn, kept, let_go, freed = {}, {}, {}, {}, 0
  for i, place in ipairs(places) do
    local to = ready
    if states[i] then
      local ends, ttl, due, till, claims, state, claim = read(STATE, states[i])
      if q.max and claims >= q.max then to = worn end
      if state == 'c' then
        freed = freed + 1
        let_go[claim] = (let_go[claim] or 0) + 1
      end
      kept[#kept + 1] = place
      kept[#kept + 1] = pack(STATE, ends, ttl, due, till, claims, to == worn and 'e' or 'r', claim)
    end
    to[#to + 1] = place
    to[#to + 1] = place
  end
  for _, set in ipairs({ 'w', 'd', 'c' }) do call('ZREM', base .. set, unpack(places)) end
  put(q, lane, ready, worn, kept)
  for claim, count in pairs(let_go) do call('HINCRBY', q.key .. ':h', claim, -count) end
  return #places, freed
end

local function end_claims(q, limit)
  local ids = call('ZRANGEBYSCORE', q.key .. ':C', '-inf', now, 'LIMIT', 0, limit)
  if #ids == 0 then return 0 end
  call('ZREM', q.key .. ':C', unpack(ids))
  call('HDEL', q.key .. ':c', unpack(ids))
  call('HDEL', q.key .. ':h', unpack(ids))
  return #ids
end

-- Holds messages that have been claimed before against the rule as it is now.
local function recheck(q, limit)
  if not q.recheck then return 0 end
  local base = q.key .. ':0'
  local found = call('HSCAN', base .. 's', q.recheck, 'COUNT', limit)
  local ready, worn, kept, moved = {}, {}, {}, {}
  for i = 1, #found[2], 2 do
    local place, ends, ttl, due, till, claims, state, claim = found[2][i], read(STATE, found[2][i + 1])
    local is_worn, to = q.max and claims >= q.max, nil
    if is_worn and (state == 'r' or state == 'd') then to = worn end
    if not is_worn and state == 'e' then to = ready end
    if to then
      moved[#moved + 1] = place
      to[#to + 1] = place
      to[#to + 1] = place
      kept[#kept + 1] = place
      kept[#kept + 1] = pack(STATE, ends, ttl, due, till, claims, to == worn and 'e' or 'r', claim)
    end
  end
  if #moved > 0 then
    for _, set in ipairs({ 'r', 'd', 'w', 'e' }) do call('ZREM', base .. set, unpack(moved)) end
    put(q, '0', ready, worn, kept)
  end
  q.recheck = found[1] ~= '0' and found[1] or nil
  if q.recheck then call('HSET', q.key, 'r', q.recheck) else call('HDEL', q.key, 'r') end
  -- What is left is for a further step.
  return q.recheck and limit or #found[2] / 2
end

-- When something falls due next.
local function first_due(q)
  local at = NEVER
  local function look(set)
    local first = call('ZRANGE', q.key .. ':' .. set, 0, 0, 'WITHSCORES')
    if first[2] then at = min(at, tonumber(first[2])) end
  end
  for _, lane in ipairs(lanes_of(q)) do
    look(lane .. 'x')
    look(lane .. 'w')
  end
  look('C')
  if q.max and call('EXISTS', q.key .. ':0e') == 1 then at = min(at, max(q.again, now)) end
  return at
end

-- Settles what has fallen due, at most `limit` things; answers how many. Fewer than that means
-- that nothing is left. Adds to `swept`.
local function settle(q, limit, swept)
  if q.due > now then return 0 end
  write_whatever_memory(q)
  local done = 0
  for _, lane in ipairs(lanes_of(q)) do
    local ended, moved = expire(q, lane, limit - done)
    done = done + ended
    local woken, freed = 0, 0
    if done < limit then woken, freed = wake(q, lane, limit - done) end
    done = done + woken
    if swept then
      swept.expired = swept.expired + ended - moved
      swept.moved = swept.moved + moved
      swept.freed = swept.freed + freed
    end
    if done >= limit then break end
  end
  if done < limit then done = done + end_claims(q, limit - done) end
  if done < limit then done = done + recheck(q, limit - done) end
  set_due(q, done < limit and first_due(q) or now)
  return done
end
