
-- ARGV[2] is the epoch of the caller's record.
local q = load(KEYS[1])
local refused = refusal(q, ARGV[2])
if refused then return { refused } end
