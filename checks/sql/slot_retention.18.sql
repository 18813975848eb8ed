-- What could invalidate our slot while it holds log for the destination?
SELECT current_setting('max_slot_wal_keep_size') AS max_slot_wal_keep_size,
  (SELECT setting::bigint * 1024 * 1024 FROM pg_settings
    WHERE name = 'max_slot_wal_keep_size') AS keep_bytes,
  pg_database_size(current_database()) AS database_bytes,
  current_setting('idle_replication_slot_timeout') AS idle_replication_slot_timeout
