-- The indexes that applying changes needs: primary keys and other replica identities.
SELECT n.nspname AS schema, t.relname AS table, x.relname AS name, o.rolname AS owner,
  i.indisprimary AS primary, i.indisreplident AS chosen, k.conname AS constraint
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_roles o ON o.oid = t.relowner
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = t.oid
  AND k.contype IN ('p', 'u', 'x')
WHERE t.relkind IN ('r', 'p') AND (i.indisprimary OR i.indisreplident)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry')
  AND n.nspname !~ '^pg_toast'
ORDER BY n.nspname, t.relname, x.relname
