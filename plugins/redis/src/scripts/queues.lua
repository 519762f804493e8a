
-- ARGV: after, limit.
return known('q', ARGV[2], tonumber(ARGV[3]))
