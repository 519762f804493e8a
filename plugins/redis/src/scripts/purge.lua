
-- ARGV: limit.
local limit = tonumber(ARGV[3])
local count = clear(q, '0', limit)
local claims = clear_claims(q, limit - count)
-- Fewer than allowed means that nothing is left.
return { OK, count + claims < limit and 1 or 0, count }
