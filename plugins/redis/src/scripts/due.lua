
-- ARGV: lane, after, limit. What has fallen due since the last sweep counts.
local swept = { expired = 0, freed = 0, moved = 0, stuck = 0, foreign = {} }
if sweep(STEP, swept) then return { AGAIN } end
return known('l' .. ARGV[2], ARGV[3], tonumber(ARGV[4]))
