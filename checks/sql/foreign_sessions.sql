-- Which sessions of others are in this database?
SELECT 'pid ' || pid AS name, usename AS who, application_name AS application, client_addr,
  state, left(regexp_replace(query, '\s+', ' ', 'g'), 60) AS query
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
  AND NOT (usename = current_user AND application_name LIKE 'nightferry%') ORDER BY pid
