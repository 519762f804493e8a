
-- ARGV: places.
local places = { unpack(ARGV, 3) }
local records = call('HMGET', q.key .. ':0b', unpack(places))
local states = call('HMGET', q.key .. ':0s', unpack(places))
local answer = { OK, now }
for i, place in ipairs(places) do
  local n = #answer
  if records[i] then answer[n + 1], answer[n + 2], answer[n + 3] = place, records[i], states[i] end
end
return answer
