
-- ARGV: limit.
if settle(q, STEP) >= STEP then return { AGAIN } end
local places = call('ZRANGE', q.key .. ':0r', 0, ARGV[3] - 1)
local answer = { OK, now }
if #places == 0 then
  arm(q)
  return answer
end
local records = call('HMGET', q.key .. ':0b', unpack(places))
local states = call('HMGET', q.key .. ':0s', unpack(places))
local gone = take_out(q, '0', places, { 'w', 'r', 'x' })
if gone == 0 then return { AGAIN } end
for i, place in ipairs(places) do
  local n = #answer
  if records[i] then answer[n + 1], answer[n + 2], answer[n + 3] = place, records[i], states[i] end
end
return answer
