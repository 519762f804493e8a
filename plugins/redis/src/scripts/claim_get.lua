
-- ARGV: claim.
local known = call('HGET', q.key .. ':c', ARGV[3])
if not known or tonumber(call('ZSCORE', q.key .. ':C', ARGV[3])) <= now then return { OK, now, false } end
local answer = { OK, now, known }
held(q, ARGV[3], known, nil, function(place, record, state)
  local n = #answer
  answer[n + 1], answer[n + 2], answer[n + 3] = place, record, state
end)
return answer
