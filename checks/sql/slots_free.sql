-- How many replication slots are there, and how many are taken?
SELECT current_setting('max_replication_slots')::int AS allowed,
  (SELECT count(*) FROM pg_replication_slots)::int AS used,
  (SELECT count(*) FROM pg_replication_slots WHERE slot_name ~ '^(nightferry$|pg_\d+_sync_)')::int AS ours
