
-- Fields of a hash; none where the key holds something foreign.
local function fields(key, ...)
  local found = redis.pcall('HMGET', key, ...)
  if not found.err then return found end
  if not is_foreign(found) then error(found, 0) end
  return { false, false }
end

-- Queues of an index by id: id, epoch and label of each.
local function known(index, after, limit)
  local from = after == '' and '-' or '(' .. after
  local ids = call('ZRANGEBYLEX', T .. index, from, '+', 'LIMIT', 0, limit)
  local answer = { OK, #ids }
  for _, id in ipairs(ids) do
    local head = fields(T .. id, 'e', 'x')
    local n = #answer
    answer[n + 1], answer[n + 2], answer[n + 3] = id, head[1], fields(T .. id .. ':i', 'label')[1]
    answer[n + 4] = head[2]
  end
  return answer
end
