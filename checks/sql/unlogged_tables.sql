-- Which unlogged tables are there? Their rows are not in the write-ahead log.
SELECT format('%I.%I', n.nspname, c.relname) AS name, pg_relation_size(c.oid) AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'u'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry') ORDER BY name
