-- Which tables with rows are not published, because they came later?
SELECT format('%I.%I', n.nspname, c.relname) AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry')
  AND n.nspname !~ '^pg_toast'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
    AND d.objid = c.oid AND d.deptype = 'e')
  AND NOT EXISTS (SELECT FROM pg_publication_tables p WHERE p.pubname = 'nightferry'
    AND p.schemaname = n.nspname AND p.tablename = c.relname)
ORDER BY name
