-- How many transactions were committed so far on the whole server, and how many of them wrote?
SELECT (SELECT sum(xact_commit)::bigint FROM pg_stat_database) AS commits,
  pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS writing, clock_timestamp() AS at
