-- Which tables with rows have no planner statistics?
SELECT format('%I.%I', n.nspname, c.relname) AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND pg_relation_size(c.oid) > 0
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry')
  AND n.nspname !~ '^pg_toast'
  AND NOT EXISTS (SELECT FROM pg_statistic s WHERE s.starelid = c.oid) ORDER BY name
