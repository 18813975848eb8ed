-- The limits of a server below which what ran on the other one could fail.
SELECT name, setting::bigint AS setting FROM pg_settings WHERE name IN ('max_connections',
  'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions',
  'max_locks_per_transaction', 'max_files_per_process') ORDER BY name
