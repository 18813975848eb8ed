-- Who holds the lock that a worker of the subscription has waited for, for more than 2 seconds?
SELECT holder.pid, holder.usename AS who, holder.application_name AS application,
  extract(epoch FROM clock_timestamp() - worker.xact_start)::bigint AS waits_s
FROM pg_stat_subscription s JOIN pg_stat_activity worker ON worker.pid = s.pid
CROSS JOIN LATERAL unnest(pg_blocking_pids(worker.pid)) AS blocking (pid)
JOIN pg_stat_activity holder ON holder.pid = blocking.pid
WHERE s.subname = $1 AND worker.wait_event_type = 'Lock'
  AND worker.xact_start < clock_timestamp() - interval '2 s'
ORDER BY waits_s DESC LIMIT 1
