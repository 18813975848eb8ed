-- How many rows does the source believe these tables have, and how large are they?
SELECT format('%I.%I', n.nspname, c.relname) AS name,
  CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END AS estimated_rows,
  pg_table_size(c.oid) AS bytes
FROM pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname
JOIN pg_class c ON c.relname = p.tablename AND c.relnamespace = n.oid
WHERE p.pubname = $1 AND n.nspname <> 'nightferry' ORDER BY name
