
-- ARGV: lane, '1' to store to the outbox too, name of the key, its fingerprint and window, fence,
-- how many entries it settles, then their lanes and places; then ttl, delay and record of each
-- message, without the instant with which a record begins.
local lane, outbox, key, fence, settled = ARGV[3], ARGV[4], ARGV[5], ARGV[8], tonumber(ARGV[9])
local at = 10 + 2 * settled
local count = (#ARGV - at + 1) / 3

if settled > 0 then
  for i = 10, at - 1, 2 do
    local bad = bad_fence(q, ARGV[i], fence)
    if bad then return { bad } end
  end
elseif fence ~= '' and lane ~= '0' then
  local bad = bad_fence(q, lane, fence)
  if bad then return { bad } end
end

if q.last + count >= NEVER then return { NO_PLACES } end
-- The server may refuse any of these commands, by the user's rights, and what is done before stays. So a key is empty
-- until its messages are there: a post that breaks off before is stored when it is repeated, and not again after that.
-- What it replaces goes last, and when it is repeated, if it broke off there.
local function take_out_settled()
  for i = 10, at - 1, 2 do take_out(q, ARGV[i], { ARGV[i + 1] }, SETS) end
end
local name, window = key ~= '' and q.key .. ':k' .. key, tonumber(ARGV[7])
local made = name and redis.pcall('SET', name, '', 'NX', 'PX', window)
-- One that is there is answered also where memory is short.
local known = name and not (made and made.ok) and call('GET', name)
if known and known ~= '' then
  local ends, first, places, rest = read('>I8I8I4', known)
  if ends > now then
    if sub(known, rest) ~= ARGV[6] then return { CONFLICT } end
    take_out_settled()
    return { OK, first, places, 1 }
  end
end
if made and made.err then return made end

-- What replaces what is there takes no more than that.
if settled > 0 then write_whatever_memory(q) end
call('HSET', q.key, 'n', q.last + count)

local records, ends, ready, delayed, dues = {}, {}, {}, {}, {}
local posted, first, place = pack('>I8', now), NEVER, q.last
for i = at, #ARGV, 3 do
  place = place + 1
  local expires, delay = min(now + ARGV[i], NEVER), tonumber(ARGV[i + 1])
  records[#records + 1], records[#records + 2] = place, posted .. ARGV[i + 2]
  ends[#ends + 1], ends[#ends + 2] = expires, place
  first = min(first, expires)
  if delay == 0 then
    ready[#ready + 1], ready[#ready + 2] = place, place
  else
    delayed[#delayed + 1], delayed[#delayed + 2] = place, place
    if now + delay < expires then
      dues[#dues + 1], dues[#dues + 2] = now + delay, place
      first = min(first, now + delay)
    end
  end
end

local function store(lane)
  local base = q.key .. ':' .. lane
  if lane ~= '0' then
    if not q.lanes then call('HSET', q.key, 'l', 1) end
    if #ready > 0 then lane_ready(q, lane) end
  end
  call('ZADD', base .. 'x', unpack(ends))
  if #dues > 0 then call('ZADD', base .. 'w', unpack(dues)) end
  if #delayed > 0 then call('ZADD', base .. 'd', unpack(delayed)) end
  if #ready > 0 then call('ZADD', base .. 'r', unpack(ready)) end
  call('INCRBY', T .. 'n', count)
  call('HSET', base .. 'b', unpack(records))
end

if count > 0 then
  falls_due(q, first)
  if #ready > 0 then stir(q) end
  if outbox ~= '' and lane ~= '1' then store('1') end
  store(lane)
end
if name then call('SET', name, pack('>I8I8I4', now + window, q.last + 1, count) .. ARGV[6], 'PX', window) end
take_out_settled()
return { OK, q.last + 1, count, 0 }
