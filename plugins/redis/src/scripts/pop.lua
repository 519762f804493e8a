
-- ARGV: limit.
if settle(q, STEP) >= STEP then return { AGAIN } end
local popped = call('ZPOPMIN', q.key .. ':0r', ARGV[3])
local answer = { OK, now }
if #popped == 0 then
  arm(q)
  return answer
end
local places = {}
for i = 1, #popped, 2 do places[#places + 1] = popped[i] end
local records = call('HMGET', q.key .. ':0b', unpack(places))
local states = call('HMGET', q.key .. ':0s', unpack(places))
take_out(q, '0', places, { 'x' })
for i, place in ipairs(places) do
  local n = #answer
  if records[i] then answer[n + 1], answer[n + 2], answer[n + 3] = place, records[i], states[i] end
end
return answer
