
-- ARGV: epoch, name of the key, fingerprint. Keys are told as long as there is a header, also one that is dropping.
local q = load(KEYS[1])
local refused = not (q and q.dropping) and refusal(q, ARGV[2])
if refused then return { refused } end
local known = call('GET', q.key .. ':k' .. ARGV[3])
if not known or known == '' then return { OK } end
local ends, first, count, rest = read('>I8I8I4', known)
if ends <= now then return { OK } end
if sub(known, rest) ~= ARGV[4] then return { CONFLICT } end
return { OK, first, count }
