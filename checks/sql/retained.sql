-- How much log do the slots keep?
SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)), 0)::bigint AS bytes
FROM pg_replication_slots
