-- Which tables of extensions hold configuration of the user's, which the schema does not carry?
SELECT format('%I.%I', n.nspname, c.relname) AS name, e.extname AS extension
FROM pg_extension e CROSS JOIN unnest(e.extconfig) AS config
JOIN pg_class c ON c.oid = config JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND pg_relation_size(c.oid) > 0 ORDER BY name
