
-- ARGV: lane, holder, ttl.
local lane, holder, ttl = ARGV[3], ARGV[4], tonumber(ARGV[5])
local key = q.key .. ':l'
local held = call('HMGET', key, lane .. 'h', lane .. 'f', lane .. 'u')
local own = held[1] == holder
local free = not held[1] or held[1] == '' or tonumber(held[3]) <= now
if not own and (not free or ttl == 0) then return { OK } end
local fence, till = tonumber(held[2] or 0), min(now + ttl, NEVER)
if not own then fence = fence + 1 end
write_whatever_memory(q)
call('HSET', key, lane .. 'h', ttl == 0 and '' or holder, lane .. 'f', fence, lane .. 'u', till)
return { OK, fence, till }
