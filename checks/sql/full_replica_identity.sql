-- Which tables send whole rows, and which of their columns cannot be compared for equality?
SELECT format('%I.%I', n.nspname, c.relname) AS name, pg_table_size(c.oid) AS bytes,
  (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
   FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     AND t.typname IN ('json', 'xml', 'point', 'polygon', 'box', 'path', 'line', 'lseg', 'circle')
  ) AS cannot_compare
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident = 'f'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry')
ORDER BY name
