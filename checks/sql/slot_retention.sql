-- What could invalidate our slot while it holds log for the destination?
SELECT current_setting('max_slot_wal_keep_size') AS max_slot_wal_keep_size,
  '0' AS idle_replication_slot_timeout
