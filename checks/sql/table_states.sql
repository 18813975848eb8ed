-- How far is each table of the subscription, and how many rows has its copy carried?
SELECT format('%I.%I', n.nspname, c.relname) AS name, r.srsubstate::text AS state,
  coalesce(p.tuples_processed, 0) AS rows_copied, coalesce(p.bytes_processed, 0) AS bytes_copied
FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_progress_copy p ON p.relid = r.srrelid AND p.command = 'COPY FROM'
WHERE s.subname = $1 AND n.nspname <> 'nightferry' ORDER BY name
