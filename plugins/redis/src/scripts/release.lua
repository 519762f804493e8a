
-- ARGV: claim, delay, '1' to take the claim's count back, '1' to release single messages, then
-- their places.
local id, delay, uncounted = ARGV[3], tonumber(ARGV[4]), ARGV[5] ~= ''
local known = call('HGET', q.key .. ':c', id)
if not known or tonumber(call('ZSCORE', q.key .. ':C', id)) <= now then return { OK } end
local some
if ARGV[6] ~= '' then
  some = {}
  for i = 7, #ARGV do some[ARGV[i]] = true end
end

write_whatever_memory(q)
local places, to, wakes, awake, kept, first = {}, { r = {}, d = {}, e = {} }, {}, {}, {}, NEVER
held(q, id, known, some, function(place, _, state)
  local ends, ttl, due, till, claims = read(STATE, state)
  if uncounted then claims = max(claims - 1, 0) end
  local letter, wake = 'r', nil
  if q.max and claims >= q.max then
    letter = 'e'
  elseif delay > 0 then
    letter, due = 'd', now + delay
    wake = due < ends and due
  end
  local scored = to[letter]
  if wake then
    wakes[#wakes + 1], wakes[#wakes + 2] = wake, place
    first = min(first, wake)
  else
    awake[#awake + 1] = place
  end
  places[#places + 1] = place
  scored[#scored + 1], scored[#scored + 2] = place, place
  kept[#kept + 1], kept[#kept + 2] = place, pack(STATE, ends, ttl, due, till, claims, letter, id)
end, true)
if #places > 0 then
  if #to.e > 0 then first = min(first, max(q.again, now)) end
  falls_due(q, first)
  if #wakes > 0 then call('ZADD', q.key .. ':0w', unpack(wakes)) end
  put(q, '0', places, to, { 'c' }, kept)
  if #awake > 0 then call('ZREM', q.key .. ':0w', unpack(awake)) end
end
if some then
  if #places > 0 then call('HINCRBY', q.key .. ':h', id, -#places) end
else
  call('HDEL', q.key .. ':c', id)
  call('HDEL', q.key .. ':h', id)
  call('ZREM', q.key .. ':C', id)
end
return { OK }
