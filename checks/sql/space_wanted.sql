-- How large is the database, and how much log may be kept?
SELECT pg_database_size(current_database()) AS database_bytes,
  (SELECT setting::bigint * 1024 * 1024 FROM pg_settings WHERE name = 'max_wal_size')
    AS max_wal_bytes,
  (SELECT nullif(setting::bigint, -1) * 1024 * 1024 FROM pg_settings
    WHERE name = 'max_slot_wal_keep_size') AS slot_keeps_bytes
