-- Which triggers would fire for replicated rows as well (ENABLE ALWAYS or REPLICA)?
SELECT format('%I ON %I.%I', t.tgname, n.nspname, c.relname) AS name, t.tgenabled::text AS enabled
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND t.tgenabled IN ('A', 'R') AND n.nspname <> 'nightferry' ORDER BY name
