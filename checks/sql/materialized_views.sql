-- Which materialised views are there, and are they populated?
SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relispopulated AS populated
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry')
ORDER BY name
