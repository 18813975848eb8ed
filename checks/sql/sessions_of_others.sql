-- Which ordinary roles still have sessions with this database?
SELECT a.usename AS name, count(*) AS sessions, min(a.backend_start) AS since,
  string_agg(DISTINCT coalesce(host(a.client_addr), 'a socket'), ', ') AS clients
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.backend_type = 'client backend'
  AND NOT (a.usename = current_user AND a.application_name LIKE 'nightferry%')
GROUP BY a.usename ORDER BY a.usename
