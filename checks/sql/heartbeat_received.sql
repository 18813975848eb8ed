-- When did the source write the newest heartbeat that has arrived here?
SELECT at FROM nightferry.heartbeat WHERE night = $1 AND direction = $2
