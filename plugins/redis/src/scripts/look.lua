
-- When the first of this placement's queues fell due, if one has.
return { OK, call('ZRANGEBYSCORE', T .. 'd', '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1)[2] }
