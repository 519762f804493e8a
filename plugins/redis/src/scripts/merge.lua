
-- Places of several sets of a lane, ascending, after a place, at most so many.
local function merge(base, sets, after, limit)
  local places, used = {}, 0
  for _, set in ipairs(sets) do
    local found = call('ZRANGEBYSCORE', base .. set, '(' .. after, '+inf', 'LIMIT', 0, limit)
    if #found > 0 then used = used + 1 end
    if #places == 0 then
      places = found
    else
      for _, place in ipairs(found) do places[#places + 1] = place end
    end
  end
  if used > 1 then
    table.sort(places, function(a, b) return tonumber(a) < tonumber(b) end)
    for i = #places, limit + 1, -1 do places[i] = nil end
  end
  return places
end
