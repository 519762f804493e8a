
-- ARGV: last place, how many messages, then lane, place, record and state of each; then claim,
-- renewed, ttl, end, places and extensions of each claim. What is there already stays as it is.
local last, count = tonumber(ARGV[3]), tonumber(ARGV[4])
call('HSET', q.key, 'n', max(q.last, last))
call('HINCRBY', q.key, 'v', 1)
-- Some may have had all the claims that the rule of this queue allows.
if q.max then call('HSET', q.key, 'r', 0) end
falls_due(q, now)
stir(q)
local at = 5
for _ = 1, count do
  local lane, place, record, state = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  at = at + 4
  local base = q.key .. ':' .. lane
  if call('HEXISTS', base .. 'b', place) == 0 then
    local ends, _, due, till, _, letter = read(STATE, state)
    if lane ~= '0' then
      call('HSET', q.key, 'l', 1)
      if letter == 'r' then lane_ready(q, lane) end
    end
    call('ZADD', base .. 'x', ends, place)
    call('HSET', base .. 's', place, state)
    call('ZADD', base .. letter, place, place)
    local wakes = letter == 'c' and till or letter == 'd' and due or NEVER
    if wakes < ends then call('ZADD', base .. 'w', wakes, place) end
    call('INCRBY', T .. 'n', 1)
    call('HSET', base .. 'b', place, record)
  end
end
for i = at, #ARGV, 6 do
  local id, renewed, ttl, ends, places = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]), ARGV[i + 4]
  -- A claim can have messages on several pages.
  local known = call('HGET', q.key .. ':c', id)
  if known then
    local n = read('>I4', known, 17)
    local seen = {}
    local all = {}
    for _, packed in ipairs({ sub(known, 21, 20 + 8 * n), places }) do
      for j = 1, #packed, 8 do
        local place = sub(packed, j, j + 7)
        if not seen[place] then
          seen[place] = true
          all[#all + 1] = place
        end
      end
    end
    table.sort(all)
    places = table.concat(all)
    ends = max(ends, tonumber(call('ZSCORE', q.key .. ':C', id) or 0))
  end
  call('ZADD', q.key .. ':C', ends, id)
  call('HSET', q.key .. ':h', id, #places / 8)
  call('HSET', q.key .. ':c', id, pack('>I8I8I4', renewed, ttl, #places / 8) .. places .. ARGV[i + 5])
end
return { OK }
