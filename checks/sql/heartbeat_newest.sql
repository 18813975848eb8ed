-- When was the newest heartbeat written that is here, by any night's engine?
SELECT max(at) AS at FROM nightferry.heartbeat WHERE direction = 'forward'
