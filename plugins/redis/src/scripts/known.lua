
-- Queues of an index by id: id, epoch and label of each.
local function known(index, after, limit)
  local from = after == '' and '-' or '(' .. after
  local ids = call('ZRANGEBYLEX', T .. index, from, '+', 'LIMIT', 0, limit)
  local answer = { OK, #ids }
  for _, id in ipairs(ids) do
    local head = call('HMGET', T .. id, 'e', 'x')
    local n = #answer
    answer[n + 1], answer[n + 2], answer[n + 3] = id, head[1], call('HGET', T .. id .. ':i', 'label')
    answer[n + 4] = head[2]
  end
  return answer
end
