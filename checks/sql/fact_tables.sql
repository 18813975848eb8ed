-- The tables to publish: ordinary, permanent, of the application; partitions, not their parents.
SELECT n.nspname AS schema, c.relname AS name, format('%I.%I', n.nspname, c.relname) AS quoted,
  c.relkind::text AS kind, c.relispartition AS partition, c.relreplident::text AS replica_identity,
  pg_table_size(c.oid) AS size_bytes,
  CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END AS estimated_rows
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry')
  AND n.nspname !~ '^pg_toast'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
    AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
