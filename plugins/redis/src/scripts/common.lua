-- What every script begins with.
--
-- KEYS[1] is the header of a queue, or what the keys of a placement begin with; every other key
-- begins like it, so all of them lie in one slot. KEYS[2] is never there: see script.rs. ARGV[1] is what a test has put the clock forward by.
--
-- The server may refuse any command, by the user's rights, and what was done before stays. So what others go by is written
-- last: a message is there with its record, a queue with its epoch. Before that comes what the sweep goes by, which
-- takes back what is left of the rest: when a message ends, when a claim does. And nothing is taken away before what
-- replaces it is there.

local call, sub, min, max = redis.call, string.sub, math.min, math.max
local pack, read = struct.pack, struct.unpack

-- Answers that are refusals, as in script.rs.
local OK, AGAIN, GONE, STALE, OLD_FENCE, NO_FENCE, CONFLICT, NO_PLACES = 0, 1, 2, 3, 4, 5, 6, 7
-- Later than every instant and beyond every place: the last whole number that scores can tell apart.
local NEVER = 9007199254740991
-- What changes of a message: end, ttl, end of its delay, end of its claim, claims, state, claim.
local STATE = '>I8I8I8I8I4c1c16'
-- What one script settles at the most: about a millisecond of the server's time.
local STEP = 500

-- What the keys of this placement begin with.
local T = sub(KEYS[1], 1, string.find(KEYS[1], '}:', 1, true) + 1)
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]

-- Whether something failed since a key holds what no script of ours has put there.
local function is_foreign(failure)
  return string.find(type(failure) == 'table' and failure.err or failure, 'WRONGTYPE', 1, true) ~= nil
end

-- A queue as its header says; nil, if it has none.
local function load(key)
  local h = call('HMGET', key, 'e', 'x', 'n', 'd', 'w', 'a', 'm', 't', 'y', 'r', 'g', 'l')
  if not h[1] then return nil end
  return {
    key = key, id = sub(key, -13), epoch = h[1], dropping = h[2],
    last = tonumber(h[3]), due = tonumber(h[4]),
    watched = h[5] and tonumber(h[5]) > now, armed = h[6],
    max = tonumber(h[7]), target = h[8], letter_ttl = tonumber(h[9]),
    recheck = h[10], again = tonumber(h[11]) or 0, lanes = h[12],
  }
end

-- Refuses a caller that acts on another record than the header's. Who is ahead comes from between
-- a commit of the catalog and the `configure` that follows it, and has to configure.
local function refusal(q, epoch)
  if not q or q.dropping then return GONE end
  if q.epoch == epoch then return nil end
  return tonumber(epoch) > tonumber(q.epoch) and GONE or STALE
end

-- Tells the hosts that watch anything of this pool.
local function tell(word)
  call('PUBLISH', sub(T, 1, -8) .. ':hints', word)
end

-- Notes when the queue falls due next, which is not before it was to.
local function set_due(q, at)
  q.due = at
  call('HSET', q.key, 'd', at)
  if at == NEVER then call('ZREM', T .. 'd', q.id) else call('ZADD', T .. 'd', at, q.id) end
end

-- Notes that something falls due, if it is the first. Who watches has set an alarm, which is too late now.
local function falls_due(q, at)
  if at < q.due then
    if q.watched then tell(string.format('d%s%.0f', q.id, at)) end
    -- The index is rather too early than too late: the sweep puts that right.
    call('ZADD', T .. 'd', at, q.id)
    call('HSET', q.key, 'd', at)
    q.due = at
  end
end

-- Something has become available. Who watches is told once, and again when it has looked in vain.
local function stir(q)
  if q.watched and q.armed then
    q.armed = false
    tell('r' .. q.id)
    call('HDEL', q.key, 'a')
  end
end

-- The first write of a script is refused where memory is short, if it could take some. This one cannot,
-- and after it nothing is refused: for what must go on, or gives memory back.
local function write_whatever_memory(q)
  call('HDEL', q.key, '')
end

-- Somebody has looked in vain.
local function arm(q)
  if q.watched and not q.armed then
    write_whatever_memory(q)
    call('HSET', q.key, 'a', 1)
  end
end

-- Notes that a lane beside the main one has something ready.
local function lane_ready(q, lane)
  call('ZADD', T .. 'l' .. lane, 0, q.id)
end

-- Refuses who works a lane under a lease that is no longer theirs.
local function bad_fence(q, lane, fence)
  if fence == '' then return NO_FENCE end
  local held = call('HMGET', q.key .. ':l', lane .. 'f', lane .. 'h')
  if held[1] == fence and held[2] ~= '' then return nil end
  return OLD_FENCE
end

-- The sorted sets of a lane in which a message can be; last the one by which the sweep finds what is left of it.
local SETS = { 'r', 'd', 'w', 'c', 'e', 'x' }

-- Takes messages out of a lane and of these sets; answers how many there were.
local function take_out(q, lane, places, sets)
  local base = q.key .. ':' .. lane
  write_whatever_memory(q)
  call('INCRBY', T .. 'n', -#places)
  local gone = call('HDEL', base .. 'b', unpack(places))
  if gone < #places then call('INCRBY', T .. 'n', #places - gone) end
  call('HDEL', base .. 's', unpack(places))
  for i = 1, #sets do call('ZREM', base .. sets[i], unpack(places)) end
  if lane ~= '0' and call('EXISTS', base .. 'r') == 0 then call('ZREM', T .. 'l' .. lane, q.id) end
  return gone
end
