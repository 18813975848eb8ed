-- Which other databases are in use: sessions there now, and sessions there ever were?
SELECT d.datname AS name, coalesce(s.sessions, 0) AS sessions_ever,
  (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid
   AND a.backend_type = 'client backend'
   AND NOT (a.usename = current_user AND a.application_name LIKE 'nightferry%')) AS sessions_now,
  d.datistemplate OR d.datname = 'postgres' AS maintenance
FROM pg_database d LEFT JOIN pg_stat_database s ON s.datid = d.oid
WHERE d.datname <> current_database() AND d.datallowconn ORDER BY name
