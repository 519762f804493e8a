
-- ARGV: name of the key, fingerprint.
local known = call('GET', q.key .. ':k' .. ARGV[3])
if not known then return { OK } end
local ends, first, count, rest = read('>I8I8I4', known)
if ends <= now then return { OK } end
if sub(known, rest) ~= ARGV[4] then return { CONFLICT } end
return { OK, first, count }
