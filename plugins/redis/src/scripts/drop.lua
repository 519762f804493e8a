
-- ARGV: epoch, limit.
local q, limit = load(KEYS[1]), tonumber(ARGV[3])
if not q or not q.dropping or tonumber(q.epoch) > tonumber(ARGV[2]) then return { OK, 1, 0 } end
local count = 0
for _, lane in ipairs({ '0', '1', '2' }) do count = count + clear(q, lane, limit - count) end
local claims = clear_claims(q, limit - count)
if count + claims >= limit then return { OK, 0, count } end
for _, index in ipairs({ 'q', 'd', 'l1', 'l2' }) do call('ZREM', T .. index, q.id) end
for _, rest in ipairs({ ':i', ':l', ':E', ':h' }) do call('UNLINK', q.key .. rest) end
-- What broke off may have left something that had no end.
local records, rest = 0, { q.key }
for _, lane in ipairs({ '0', '1', '2' }) do
  local base = q.key .. ':' .. lane
  records = records + call('HLEN', base .. 'b')
  rest[#rest + 1], rest[#rest + 2] = base .. 'b', base .. 's'
  for _, set in ipairs(SETS) do rest[#rest + 1] = base .. set end
end
if records > 0 then call('INCRBY', T .. 'n', -records) end
call('UNLINK', unpack(rest))
return { OK, 1, count }
