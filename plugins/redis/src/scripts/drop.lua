
-- ARGV: epoch, limit.
local q, limit = load(KEYS[1]), tonumber(ARGV[3])
if not q or not q.dropping or tonumber(q.epoch) > tonumber(ARGV[2]) then return { OK, 1, 0 } end
local count = 0
for _, lane in ipairs({ '0', '1', '2' }) do count = count + clear(q, lane, limit - count) end
local claims = clear_claims(q, limit - count)
if count + claims >= limit then return { OK, 0, count } end
for _, rest in ipairs({ '', ':i', ':l', ':E', ':h' }) do call('UNLINK', q.key .. rest) end
for _, index in ipairs({ 'q', 'd', 'l1', 'l2' }) do call('ZREM', T .. index, q.id) end
return { OK, 1, count }
