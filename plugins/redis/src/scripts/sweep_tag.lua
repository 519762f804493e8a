
-- ARGV: limit.
local swept = { expired = 0, freed = 0, moved = 0, stuck = 0, foreign = {} }
local more = sweep(tonumber(ARGV[2]), swept)
return { OK, more and 1 or 0, swept.expired, swept.freed, swept.moved, swept.stuck, unpack(swept.foreign) }
