
-- ARGV: for how long. Settles what has fallen due; answers the clock, when the queue falls due next,
-- and whether anything was settled.
local q = load(KEYS[1])
if not q or q.dropping then return { OK, now, NEVER, 0 } end
local settled = settle(q, STEP)
write_whatever_memory(q)
call('HSET', q.key, 'w', now + ARGV[2], 'a', 1)
return { OK, now, q.due, settled > 0 and 1 or 0 }
