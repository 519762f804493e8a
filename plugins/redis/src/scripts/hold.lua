
-- The end and ttl of a message that a claim takes until an instant. One that would end before that
-- lives for grace longer. Clients count whole seconds: one that ends less than a second earlier does
-- not end earlier to them, and lives as long as the claim (spec: semantics, Claims).
local function hold(ends, life, till, ttl, grace)
  if ends + 1000 <= till then return min(till + grace, NEVER), ttl + grace end
  return max(ends, till), life
end

-- Visits what a claim still holds, in queue order, or those of it that `some` names (a table from
-- place to true). Their records are read as well, but with `no_records`.
local function held(q, id, known, some, visit, no_records)
  local count, at = read('>I4', known, 17), 21
  local places = {}
  for i = 1, count do
    local place = string.format('%.0f', read('>I8', known, at + 8 * (i - 1)))
    if not some or some[place] then places[#places + 1] = place end
  end
  if #places == 0 then return end
  local states = call('HMGET', q.key .. ':0s', unpack(places))
  local records = no_records and {} or call('HMGET', q.key .. ':0b', unpack(places))
  for i, place in ipairs(places) do
    if states[i] then
      local ends, _, _, till, _, state, claim = read(STATE, states[i])
      local is_held = state == 'c' and claim == id and till > now and ends > now
      if is_held and (no_records or records[i]) then visit(place, records[i], states[i]) end
    end
  end
end
