-- How many WAL senders may there be, and how many are busy?
SELECT current_setting('max_wal_senders')::int AS allowed,
  (SELECT count(*) FROM pg_stat_replication)::int AS used,
  (SELECT count(*) FROM pg_stat_replication
   WHERE application_name ~ '^(nightferry$|pg_\d+_sync_)')::int AS ours
