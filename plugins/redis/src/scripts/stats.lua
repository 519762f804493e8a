
if settle(q, STEP) >= STEP then return { AGAIN } end
local base, counts, oldest, newest = q.key .. ':0', {}, NEVER, -1
for _, set in ipairs({ 'r', 'd', 'c', 'e' }) do
  counts[set] = call('ZCARD', base .. set)
  if counts[set] > 0 then
    oldest = min(oldest, tonumber(call('ZRANGE', base .. set, 0, 0)[1]))
    newest = max(newest, tonumber(call('ZRANGE', base .. set, -1, -1)[1]))
  end
end
local answer = { OK, now, counts.r + counts.d + counts.e, counts.c, counts.e }
if newest >= 0 then
  for _, place in ipairs({ oldest, newest }) do
    local record = call('HGET', base .. 'b', place)
    answer[#answer + 1] = place
    answer[#answer + 1] = record and read('>I8', record) or now
  end
end
return answer
