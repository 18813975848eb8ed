-- Which roles have sessions on this server, and what are those roles?
SELECT a.usename AS name, r.rolsuper AS superuser, a.usename = current_user AS wizard,
  count(*) AS sessions, string_agg(DISTINCT a.application_name, ', ') AS applications,
  string_agg(DISTINCT coalesce(host(a.client_addr), 'a socket'), ', ') AS clients
FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
WHERE a.backend_type = 'client backend'
  AND NOT (a.usename = current_user AND a.application_name LIKE 'nightferry%')
GROUP BY a.usename, r.rolsuper ORDER BY a.usename
