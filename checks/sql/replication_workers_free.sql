-- How many logical replication workers may there be, and how many are busy?
SELECT current_setting('max_logical_replication_workers')::int AS allowed,
  (SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL)::int AS used,
  (SELECT count(*) FROM pg_stat_subscription
   WHERE pid IS NOT NULL AND subname = 'nightferry')::int AS ours
