
-- ARGV: claim, limit, ttl, grace, '1' if it counts, extensions.
local id, ttl, grace, counts = ARGV[3], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

if settle(q, STEP) >= STEP then return { AGAIN } end
local known = call('HGET', q.key .. ':c', id)
if known and tonumber(call('ZSCORE', q.key .. ':C', id)) > now then
  -- Repeated under its id, it is the same claim.
  local answer = { OK, now, NEVER }
  held(q, id, known, nil, function(place, record, state)
    local n = #answer
    answer[n + 1], answer[n + 2], answer[n + 3] = place, record, state
  end)
  return answer
end
if bury(q, STEP) >= STEP then return { AGAIN } end

local places = call('ZRANGE', q.key .. ':0r', 0, ARGV[4] - 1)
if #places == 0 then
  arm(q)
  local first = call('ZRANGE', q.key .. ':0w', 0, 0, 'WITHSCORES')
  return { OK, now, tonumber(first[2]) or NEVER }
end
local records = call('HMGET', q.key .. ':0b', unpack(places))
local states = call('HMGET', q.key .. ':0s', unpack(places))
local till = min(now + ttl, NEVER)
local answer, kept, claimed, wakes, lives, packed = { OK, now, NEVER }, {}, {}, {}, {}, {}
for i, place in ipairs(places) do
  -- A post that broke off has left its places without records.
  if records[i] then
    local ends, life, due, claims, _
    if states[i] then
      ends, life, due, _, claims = read(STATE, states[i])
    else
      local posted, its_ttl, delay = read('>I8I8I8', records[i])
      ends, life, due, claims = min(posted + its_ttl, NEVER), its_ttl, posted + delay, 0
    end
    local ends_now, life_now = hold(ends, life, till, ttl, grace)
    if ends_now ~= ends then lives[#lives + 1], lives[#lives + 2] = ends_now, place end
    local state = pack(STATE, ends_now, life_now, due, till, claims + counts, 'c', id)
    kept[#kept + 1], kept[#kept + 2] = place, state
    claimed[#claimed + 1], claimed[#claimed + 2] = place, place
    wakes[#wakes + 1], wakes[#wakes + 2] = till, place
    packed[#packed + 1] = pack('>I8', place)
    local n = #answer
    answer[n + 1], answer[n + 2], answer[n + 3] = place, records[i], state
  end
end
write_whatever_memory(q)
if #kept == 0 then
  call('ZREM', q.key .. ':0r', unpack(places))
  return { AGAIN }
end
falls_due(q, till)
call('ZADD', q.key .. ':0w', unpack(wakes))
if #lives > 0 then call('ZADD', q.key .. ':0x', unpack(lives)) end
call('ZADD', q.key .. ':C', till, id)
call('HSET', q.key .. ':h', id, #packed)
call('ZREM', q.key .. ':0r', unpack(places))
call('ZADD', q.key .. ':0c', unpack(claimed))
call('HSET', q.key .. ':0s', unpack(kept))
call('HSET', q.key .. ':c', id, pack('>I8I8I4', now, ttl, #packed) .. table.concat(packed) .. ARGV[8])
return answer
