
-- Messages that have used up their claims, on their way to their dead letter queue.

-- A dead letter lives at least so long, in ms: its own end may have come.
local LEAST_LIFE = 60000

-- The record of a letter: a new message that knows where it came from.
local function letter(q, label, place, record, state)
  local ends, _, _, _, claims = read(STATE, state)
  if q.letter_ttl then ends = min(now + q.letter_ttl, NEVER) else ends = max(ends, now + LEAST_LIFE) end
  local client_length = read('>I2', record, 25)
  local client = sub(record, 25, 26 + client_length)
  local origin_length = read('>I4', record, 27 + client_length)
  local rest = sub(record, 31 + client_length + origin_length)
  local origin = pack('>I4I4', claims, 1) .. q.id .. pack('>I8', place) .. label
  return pack('>I8I8I8', now, max(ends - now, 0), 0) .. client .. pack('>I4', #origin) .. origin .. rest, ends
end

-- The dead letter queue, if it is there. One whose header is something foreign is not.
local function target_of(q)
  if not q.max or q.target == q.id then return nil end
  local is_loaded, target = pcall(load, T .. q.target)
  if not is_loaded and not is_foreign(target) then error(target, 0) end
  return is_loaded and target and not target.dropping and target or nil
end

-- Moves messages there.
local function move(q, target, places)
  write_whatever_memory(q)
  -- It is seen, too, that they may be taken out: else a letter would come of each attempt.
  call('ZREM', q.key .. ':0w', unpack(places))
  local records = call('HMGET', q.key .. ':0b', unpack(places))
  local states = call('HMGET', q.key .. ':0s', unpack(places))
  local label = call('HGET', q.key .. ':i', 'label') or ''
  local letters, ready, ends, first = {}, {}, {}, NEVER
  local last = target.last
  for i, place in ipairs(places) do
    if records[i] and states[i] then
      last = last + 1
      local record, at = letter(q, label, place, records[i], states[i])
      letters[#letters + 1], letters[#letters + 2] = last, record
      ready[#ready + 1], ready[#ready + 2] = last, last
      ends[#ends + 1], ends[#ends + 2] = at, last
      first = min(first, at)
    end
  end
  if #letters > 0 then
    local base = target.key .. ':0'
    call('HSET', target.key, 'n', last)
    falls_due(target, first)
    stir(target)
    call('ZADD', base .. 'x', unpack(ends))
    call('ZADD', base .. 'r', unpack(ready))
    call('INCRBY', T .. 'n', last - target.last)
    call('HSET', base .. 'b', unpack(letters))
  end
  take_out(q, '0', places, SETS)
end
