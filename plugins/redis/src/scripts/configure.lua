
-- ARGV: epoch, '1' if dropping, label, extensions, then the rule for dead letters (queue, claims,
-- ttl), each empty where there is none.
local q = load(KEYS[1])
local epoch, dropping, label, extensions = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local target, most, ttl = ARGV[6], ARGV[7], ARGV[8]
if q and tonumber(epoch) < tonumber(q.epoch) then return { STALE } end
-- What is there goes on when memory is short: who acts on the queue's new record is sent here first.
if q or dropping ~= '' then write_whatever_memory({ key = KEYS[1] }) end
if not q then
  q = { key = KEYS[1], id = sub(KEYS[1], -13), due = NEVER }
  -- Who watches a queue that was not there could not mark it.
  tell('d' .. q.id .. '0')
  -- The first place is the milliseconds since 2025 began: so ids are not given twice, and markers go on, where the
  -- server has lost the queue, unless it gave more than a thousand places a second before.
  call('HSET', q.key, 'n', string.format('%.0f', max(now - 1735689600000, 1) - 1), 'd', NEVER)
end
call('HSET', q.key .. ':i', 'label', label, 'extensions', extensions)
local before = { q.target or '', q.max and string.format('%.0f', q.max) or '', q.letter_ttl and string.format('%.0f', q.letter_ttl) or '' }
if before[1] ~= target or before[2] ~= most or before[3] ~= ttl then
  if call('EXISTS', q.key .. ':0s') == 1 then
    call('HSET', q.key, 'r', 0)
    falls_due(q, now)
  end
  call('HDEL', q.key, 't', 'm', 'y', 'g')
  if target ~= '' then call('HSET', q.key, 't', target, 'm', most) end
  if ttl ~= '' then call('HSET', q.key, 'y', ttl) end
end
call('ZADD', T .. 'q', 0, q.id)
if dropping ~= '' then
  -- Who waits looks, and finds that it is gone.
  if q.watched then tell('r' .. q.id) end
  call('HSET', q.key, 'x', 1, 'e', epoch)
else
  call('HDEL', q.key, 'x')
  call('HSET', q.key, 'e', epoch)
end
return { OK }
