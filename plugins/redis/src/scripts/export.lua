
-- ARGV: lane, after, limit. Answers one page of the lane and the claims that it names.
local lane, limit = ARGV[3], tonumber(ARGV[5])
if settle(q, STEP) >= STEP then return { AGAIN } end
local base = q.key .. ':' .. lane
local places = merge(base, { 'r', 'e', 'c', 'd' }, ARGV[4], limit)
local answer, claims = { OK, now, q.last, #places }, {}
if #places > 0 then
  local records = call('HMGET', base .. 'b', unpack(places))
  local states = call('HMGET', base .. 's', unpack(places))
  for i, place in ipairs(places) do
    local n = #answer
    answer[n + 1], answer[n + 2], answer[n + 3] = place, records[i], states[i]
    if states[i] then
      local _, _, _, _, _, state, claim = read(STATE, states[i])
      if state == 'c' then claims[claim] = true end
    end
  end
end
for claim in pairs(claims) do
  local n = #answer
  answer[n + 1], answer[n + 2] = claim, call('HGET', q.key .. ':c', claim)
end
return answer
