-- Which transactions have been open for longer than this many seconds, and who runs them?
SELECT 'pid ' || pid AS name, usename AS who, application_name AS application,
  round(extract(epoch FROM clock_timestamp() - xact_start))::bigint AS age_s, state,
  backend_xid IS NOT NULL AS writes, left(regexp_replace(query, '\s+', ' ', 'g'), 60) AS query
FROM pg_stat_activity
WHERE xact_start < clock_timestamp() - make_interval(secs => $1)
  AND backend_type IN ('client backend', 'parallel worker') AND pid <> pg_backend_pid()
  AND datname = current_database()
ORDER BY xact_start
