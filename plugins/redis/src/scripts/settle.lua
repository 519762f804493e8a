
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

-- Puts messages into the state that each has come to, out of the sets in which they may have been; `to` holds places
-- with their scores by set, `kept` the states of those that have one.
local function put(q, lane, places, to, from, kept)
  local base = q.key .. ':' .. lane
  -- Who remembers a run of its own messages must look again: others' may be back in it.
  if lane == '0' then call('HINCRBY', q.key, 'v', 1) end
  if #to.r > 0 then
    if lane ~= '0' then lane_ready(q, lane) end
    stir(q)
  end
  for set, scored in pairs(to) do
    if #scored > 0 then call('ZADD', base .. set, unpack(scored)) end
  end
  for _, set in ipairs(from) do call('ZREM', base .. set, unpack(places)) end
  if #kept > 0 then call('HSET', base .. 's', unpack(kept)) end
end

-- Frees messages whose delay or claim has ended; answers how many, and how many of them were claimed.
local function wake(q, lane, limit)
  local base = q.key .. ':' .. lane
  local places = call('ZRANGEBYSCORE', base .. 'w', '-inf', now, 'LIMIT', 0, limit)
  if #places == 0 then return 0, 0 end
  local states = call('HMGET', base .. 's', unpack(places))
  local to, kept, let_go, freed = { r = {}, e = {} }, {}, {}, 0
  for i, place in ipairs(places) do
    local set = 'r'
    if states[i] then
      local ends, ttl, due, till, claims, state, claim = read(STATE, states[i])
      if q.max and claims >= q.max then set = 'e' end
      if state == 'c' then
        freed = freed + 1
        let_go[claim] = (let_go[claim] or 0) + 1
      end
      kept[#kept + 1] = place
      kept[#kept + 1] = pack(STATE, ends, ttl, due, till, claims, set, claim)
    end
    local scored = to[set]
    scored[#scored + 1] = place
    scored[#scored + 1] = place
  end
  put(q, lane, places, to, { 'd', 'c' }, kept)
  for claim, count in pairs(let_go) do call('HINCRBY', q.key .. ':h', claim, -count) end
  call('ZREM', base .. 'w', unpack(places))
  return #places, freed
end

local function end_claims(q, limit)
  local ids = call('ZRANGEBYSCORE', q.key .. ':C', '-inf', now, 'LIMIT', 0, limit)
  if #ids == 0 then return 0 end
  call('HDEL', q.key .. ':c', unpack(ids))
  call('HDEL', q.key .. ':h', unpack(ids))
  call('ZREM', q.key .. ':C', unpack(ids))
  return #ids
end

-- Holds messages that have been claimed before against the rule as it is now.
local function recheck(q, limit)
  if not q.recheck then return 0 end
  local base = q.key .. ':0'
  local found = call('HSCAN', base .. 's', q.recheck, 'COUNT', limit)
  local ready, worn = { to = {}, kept = {}, places = {} }, { to = {}, kept = {}, places = {} }
  for i = 1, #found[2], 2 do
    local place, ends, ttl, due, till, claims, state, claim = found[2][i], read(STATE, found[2][i + 1])
    local is_worn, those = q.max and claims >= q.max, nil
    if is_worn and (state == 'r' or state == 'd') then those = worn end
    if not is_worn and state == 'e' then those = ready end
    if those then
      local places, to, kept = those.places, those.to, those.kept
      places[#places + 1] = place
      to[#to + 1], to[#to + 2] = place, place
      kept[#kept + 1] = place
      kept[#kept + 1] = pack(STATE, ends, ttl, due, till, claims, those == worn and 'e' or 'r', claim)
    end
  end
  if #ready.places > 0 then put(q, '0', ready.places, { r = ready.to }, { 'e' }, ready.kept) end
  if #worn.places > 0 then put(q, '0', worn.places, { r = {}, e = worn.to }, { 'r', 'd', 'w' }, worn.kept) end
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
