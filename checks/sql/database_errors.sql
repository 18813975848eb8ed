-- How many transactions, rollbacks, deadlocks and broken sessions has the database seen so far?
SELECT xact_commit AS commits, xact_rollback AS rollbacks, deadlocks, sessions,
  sessions_fatal + sessions_killed AS sessions_broken
FROM pg_stat_database WHERE datname = current_database()
