-- Which tables have row-level security, and whose rows would the copy or the apply not see?
SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relforcerowsecurity AS forced,
  o.rolname AS owner, o.rolsuper OR o.rolbypassrls AS owner_bypasses,
  (SELECT r.rolsuper OR r.rolbypassrls FROM pg_roles r
   WHERE r.rolname = 'nightferry_repl') AS replication_role_bypasses
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
WHERE c.relrowsecurity AND c.relkind IN ('r', 'p') ORDER BY name
