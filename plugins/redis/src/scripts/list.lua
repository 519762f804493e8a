
-- ARGV: lane, after, limit, '1' to show claimed ones, '1' to show delayed ones, fence, client whose
-- messages are left out (as records have it), and a run of that client's own: from, to, version, when
-- its last message was posted.
local lane, after, limit, own = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[9]
-- How much is looked through in one step for messages of others, in messages and in bytes.
local LOOK, LOOK_BYTES, PAGE = 1000, 1048576, 100

if lane ~= '0' then
  local bad = bad_fence(q, lane, ARGV[8])
  if bad then return { bad } end
end
if settle(q, STEP) >= STEP then return { AGAIN } end

local base, sets = q.key .. ':' .. lane, { 'r', 'e' }
if ARGV[6] ~= '' then sets[#sets + 1] = 'c' end
if ARGV[7] ~= '' then sets[#sets + 1] = 'd' end

-- Whether places up to this one were given out again since its message was posted, after a failover that had
-- lost it: what is the last there now is younger then.
local function given_anew(to, newest)
  for _, set in ipairs(sets) do
    local last = call('ZREVRANGEBYSCORE', base .. set, to, '-inf', 'LIMIT', 0, 1)[1]
    local record = last and call('HGET', base .. 'b', last)
    if record and read('>I8', record) > tonumber(newest) then return true end
  end
  return false
end

local version = ''
if own ~= '' then
  version = call('HGET', q.key, 'v') or '0'
  local from, to = tonumber(ARGV[10]), tonumber(ARGV[11])
  if version == ARGV[12] and tonumber(after) >= from and tonumber(after) < to and not given_anew(to, ARGV[13]) then
    after = ARGV[11]
  end
end

local found, records, run_to, newest, more = {}, {}, '', 0, ''
local looked, bytes = 0, 0
while #found < limit do
  local want = own == '' and limit or PAGE
  local places = merge(base, sets, after, want)
  if #places == 0 then break end
  local page = call('HMGET', base .. 'b', unpack(places))
  for i, place in ipairs(places) do
    after = place
    if own ~= '' and page[i] and sub(page[i], 25, 24 + #own) == own then
      bytes = bytes + #page[i]
      if #found == 0 then run_to, newest = place, read('>I8', page[i]) end
    elseif page[i] then
      found[#found + 1], records[#records + 1] = place, page[i]
      if #found == limit then break end
    end
  end
  looked = looked + #places
  if #places < want then break end
  if own ~= '' and #found < limit and (looked >= LOOK or bytes >= LOOK_BYTES) then
    more = after
    break
  end
end

if #found == 0 and more == '' then arm(q) end
local answer = { OK, now, more, run_to, version, newest }
if #found > 0 then
  local states = call('HMGET', base .. 's', unpack(found))
  for i, place in ipairs(found) do
    local n = #answer
    answer[n + 1], answer[n + 2], answer[n + 3] = place, records[i], states[i]
  end
end
return answer
