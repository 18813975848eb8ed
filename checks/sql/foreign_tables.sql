-- Which foreign tables are there, and on which foreign server?
SELECT format('%I.%I', n.nspname, c.relname) AS name, s.srvname AS foreign_server
FROM pg_foreign_table f JOIN pg_class c ON c.oid = f.ftrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_foreign_server s ON s.oid = f.ftserver
ORDER BY name
