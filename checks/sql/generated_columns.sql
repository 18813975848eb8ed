-- Which generated columns are there? The destination computes them by its own expression.
SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname) AS name,
  pg_get_expr(d.adbin, d.adrelid) AS expression
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attgenerated <> '' AND c.relkind = 'r'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry') ORDER BY name
