
-- ARGV: for how long. Settles what has fallen due; answers the clock, when the queue falls due next,
-- whether anything was settled, and whether it was not watched until now. A queue that is not there
-- yet says so when it comes (configure.lua).
local q = load(KEYS[1])
if not q or q.dropping then return { OK, now, NEVER, 0, 0 } end
local settled = settle(q, STEP)
write_whatever_memory(q)
call('HSET', q.key, 'w', now + ARGV[2], 'a', 1)
return { OK, now, q.due, settled > 0 and 1 or 0, q.watched and 0 or 1 }
