-- Where does the write-ahead log stand now?
SELECT pg_current_wal_lsn()::text AS lsn
