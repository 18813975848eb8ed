-- What is there already, besides what every new database holds?
SELECT k.kind, format('%I.%I', n.nspname, k.name) AS name
FROM (SELECT 'relation' AS kind, relname AS name, relnamespace AS space, oid,
        'pg_class'::regclass AS class FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      UNION ALL
      SELECT 'function', proname, pronamespace, oid, 'pg_proc'::regclass FROM pg_proc
      UNION ALL
      SELECT 'type', typname, typnamespace, oid, 'pg_type'::regclass FROM pg_type
      WHERE typtype IN ('e', 'd', 'r')) k
JOIN pg_namespace n ON n.oid = k.space
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry')
  AND n.nspname !~ '^pg_(toast|temp)'
  AND NOT EXISTS (SELECT FROM pg_depend d
    WHERE d.classid = k.class AND d.objid = k.oid AND d.deptype = 'e')
UNION ALL
SELECT 'schema', quote_ident(nspname) FROM pg_namespace
WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry', 'public')
  AND nspname !~ '^pg_(toast|temp)'
  AND NOT EXISTS (SELECT FROM pg_depend d
    WHERE d.classid = 'pg_namespace'::regclass AND d.objid = pg_namespace.oid AND d.deptype = 'e')
ORDER BY kind, name
