-- Where do the log, our slot and its WAL sender stand?
SELECT clock_timestamp() AS at, pg_current_wal_lsn()::text AS current_lsn,
  s.slot_name IS NOT NULL AS slot_exists, s.confirmed_flush_lsn::text AS confirmed_lsn,
  r.replay_lsn::text AS replay_lsn, r.state AS sender_state, s.wal_status, s.safe_wal_size,
  pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::bigint AS retained_bytes
FROM (SELECT $1::name AS wanted) w
LEFT JOIN pg_replication_slots s ON s.slot_name = w.wanted
LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid
