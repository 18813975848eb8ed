-- How is the subscription: enabled, and is its apply worker there?
SELECT s.subenabled AS enabled, st.pid IS NOT NULL AS working, st.latest_end_lsn::text AS end_lsn
FROM pg_subscription s
LEFT JOIN pg_stat_subscription st ON st.subid = s.oid AND st.relid IS NULL AND st.leader_pid IS NULL
WHERE s.subname = $1 AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
