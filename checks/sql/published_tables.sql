-- Which tables are published, and about how many rows has each?
SELECT format('%I.%I', n.nspname, c.relname) AS name, greatest(c.reltuples, 0)::bigint AS estimated_rows,
  pg_table_size(c.oid) AS bytes
FROM pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname
JOIN pg_class c ON c.relname = p.tablename AND c.relnamespace = n.oid
WHERE p.pubname = 'nightferry' AND n.nspname <> 'nightferry' ORDER BY pg_table_size(c.oid), name
