-- Which partitioned tables are there, with how many partitions?
SELECT format('%I.%I', n.nspname, c.relname) AS name,
  (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = c.oid) AS partitions
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry')
ORDER BY name
