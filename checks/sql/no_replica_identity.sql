-- Which tables could not be updated any more once they are published (no replica identity)?
SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relreplident::text AS replica_identity,
  (SELECT min(quote_ident(x.relname)) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
   WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
     AND i.indpred IS NULL AND i.indexprs IS NULL
     AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
       AND a.attnum = ANY (i.indkey::int2[]) AND NOT a.attnotnull)) AS could_use
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry')
  AND n.nspname !~ '^pg_toast'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
    AND d.objid = c.oid AND d.deptype = 'e')
  AND (c.relreplident = 'n'
    OR c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index i
      WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate)
    OR c.relreplident = 'i' AND NOT EXISTS (SELECT FROM pg_index i
      WHERE i.indrelid = c.oid AND i.indisreplident))
ORDER BY name
