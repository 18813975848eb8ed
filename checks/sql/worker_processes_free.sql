-- How many background workers may there be, and how many run (of those that count)?
SELECT current_setting('max_worker_processes')::int AS allowed,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type NOT IN (
    'client backend', 'autovacuum launcher', 'autovacuum worker', 'checkpointer',
    'background writer', 'walwriter', 'walsender', 'walreceiver', 'walsummarizer', 'startup',
    'archiver', 'logger', 'io worker', 'slotsync worker', 'standalone backend'))::int AS used,
  (SELECT count(*) FROM pg_stat_subscription
   WHERE pid IS NOT NULL AND subname = 'nightferry')::int AS ours
