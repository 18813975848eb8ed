-- How much is to be copied: ordinary tables of the application, their rows and their indexes.
SELECT count(*) AS tables,
  coalesce(sum(pg_table_size(c.oid)), 0)::bigint AS table_bytes,
  coalesce(sum(pg_indexes_size(c.oid)), 0)::bigint AS index_bytes,
  coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint AS estimated_rows
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry')
  AND n.nspname !~ '^pg_toast'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
    AND d.objid = c.oid AND d.deptype = 'e')
