
-- ARGV: lane, guard ('a' any, 'u' unclaimed, 'c' claimed by one of some), fence, how many claims,
-- the claims, then places. Refusals are the numbers of delete.rs.
local lane, guard, fence, n_claims = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local CLAIMED, NOT_CLAIMED, CLAIM_GONE, OTHER_CLAIM = 1, 2, 3, 4
-- How many claims a queue keeps that hold nothing any more. Those before them end early, or clients
-- that are done with everything would fill the store with claims of a long ttl.
local EMPTIED = 1000

if lane ~= '0' then
  local bad = bad_fence(q, lane, fence)
  if bad then return { bad } end
end
local places = { unpack(ARGV, 7 + n_claims) }
if #places == 0 then return { OK, 0, 0 } end
local base = q.key .. ':' .. lane
local ends = call('ZMSCORE', base .. 'x', unpack(places))
local states = lane == '0' and call('HMGET', base .. 's', unpack(places)) or {}

local named, live = {}, false
for i = 7, 6 + n_claims do named[ARGV[i]] = true end
local function other()
  for i = 7, 6 + n_claims do
    local its_end = call('ZSCORE', q.key .. ':C', ARGV[i])
    if its_end and tonumber(its_end) > now then return OTHER_CLAIM end
  end
  return CLAIM_GONE
end

local claimed, free, holders = {}, {}, {}
for i, place in ipairs(places) do
  if ends[i] and tonumber(ends[i]) > now then
    local holder
    if states[i] then
      local _, _, _, till, _, state, claim = read(STATE, states[i])
      -- One whose claim has ended and that is not settled yet is still among the claimed ones.
      if state == 'c' then
        claimed[#claimed + 1] = place
        if till > now then holder = claim end
      else
        free[#free + 1] = place
      end
    else
      free[#free + 1] = place
    end
    if guard == 'u' and holder then return { OK, 0, CLAIMED } end
    if guard == 'c' and not holder then return { OK, 0, NOT_CLAIMED } end
    if guard == 'c' and not named[holder] then return { OK, 0, other() } end
    if holder then holders[holder] = (holders[holder] or 0) + 1 end
  end
end

local gone = 0
if #claimed > 0 then gone = gone + take_out(q, lane, claimed, { 'w', 'c', 'x' }) end
if #free > 0 then gone = gone + take_out(q, lane, free, { 'r', 'd', 'w', 'e', 'x' }) end
for claim, count in pairs(holders) do
  if call('HINCRBY', q.key .. ':h', claim, -count) <= 0 and call('RPUSH', q.key .. ':E', claim) > EMPTIED then
    local oldest = call('LPOP', q.key .. ':E')
    call('HDEL', q.key .. ':c', oldest)
    call('HDEL', q.key .. ':h', oldest)
    call('ZREM', q.key .. ':C', oldest)
  end
end
return { OK, gone, 0 }
