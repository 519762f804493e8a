
-- ARGV: claim, ttl, grace, '1' to renew single messages, then their places.
local id, ttl, grace = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local known = call('HGET', q.key .. ':c', id)
local ends = known and tonumber(call('ZSCORE', q.key .. ':C', id))
if not known or ends <= now then return { OK, 0 } end
local some
if ARGV[6] ~= '' then
  some = {}
  for i = 7, #ARGV do some[ARGV[i]] = true end
end

-- Who works must be able to go on.
write_whatever_memory(q)
local till = min(now + ttl, NEVER)
local kept, wakes, lives = {}, {}, {}
held(q, id, known, some, function(place, _, state)
  local its_end, life, due, _, claims = read(STATE, state)
  local end_now, life_now = hold(its_end, life, till, ttl, grace)
  if end_now ~= its_end then lives[#lives + 1], lives[#lives + 2] = end_now, place end
  kept[#kept + 1], kept[#kept + 2] = place, pack(STATE, end_now, life_now, due, till, claims, 'c', id)
  wakes[#wakes + 1], wakes[#wakes + 2] = till, place
end, true)
-- A ttl can be shorter than what was left.
falls_due(q, till)
-- Where single messages are renewed the claim itself lives on as it did, but not shorter than what it holds.
call('ZADD', q.key .. ':C', some and max(till, ends) or till, id)
if #lives > 0 then call('ZADD', q.key .. ':0x', unpack(lives)) end
if #kept > 0 then
  call('ZADD', q.key .. ':0w', unpack(wakes))
  call('HSET', q.key .. ':0s', unpack(kept))
end
if not some then call('HSET', q.key .. ':c', id, pack('>I8I8', now, ttl) .. sub(known, 17)) end
return { OK, 1 }
