-- How many replication origins may there be, and how many are used?
SELECT 'max_active_replication_origins' AS setting,
  current_setting('max_active_replication_origins')::int AS allowed,
  (SELECT count(*) FROM pg_replication_origin)::int AS used,
  (SELECT count(*) FROM pg_replication_origin o JOIN pg_subscription s
   ON o.roname LIKE 'pg\_' || s.oid || '%' WHERE s.subname = 'nightferry')::int AS ours
