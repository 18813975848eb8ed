-- Who may do what, with what belongs to this database; the owners' own rights left out.
WITH ours AS (
  SELECT n.oid, n.nspname FROM pg_namespace n
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry')
    AND n.nspname !~ '^pg_(toast|temp)'
), held (what, owner, acl) AS (
  SELECT format('%I.%I', o.nspname, c.relname), c.relowner,
    coalesce(c.relacl, acldefault(CASE WHEN c.relkind = 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
  FROM pg_class c JOIN ours o ON o.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
  UNION ALL
  SELECT format('%I.%I.%I', o.nspname, c.relname, a.attname), c.relowner, a.attacl
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN ours o ON o.oid = c.relnamespace
  WHERE a.attacl IS NOT NULL
  UNION ALL
  SELECT format('%I.%I(%s)', o.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
    p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
  FROM pg_proc p JOIN ours o ON o.oid = p.pronamespace
  UNION ALL
  SELECT format('schema %I', n.nspname), n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
  FROM pg_namespace n JOIN ours o ON o.oid = n.oid
  UNION ALL
  SELECT format('type %I.%I', o.nspname, t.typname), t.typowner, coalesce(t.typacl, acldefault('T', t.typowner))
  FROM pg_type t JOIN ours o ON o.oid = t.typnamespace WHERE t.typtype IN ('e', 'd', 'r')
  UNION ALL
  SELECT format('database %I', datname), datdba, coalesce(datacl, acldefault('d', datdba))
  FROM pg_database WHERE datname = current_database()
  UNION ALL
  SELECT format('default %s of %I%s', d.defaclobjtype, pg_get_userbyid(d.defaclrole),
    (SELECT ' in ' || quote_ident(nspname) FROM pg_namespace WHERE oid = d.defaclnamespace)),
    d.defaclrole, d.defaclacl
  FROM pg_default_acl d
)
SELECT DISTINCT format('%s: %s to %s%s', h.what, a.privilege_type,
  CASE WHEN a.grantee = 0 THEN 'public' ELSE pg_get_userbyid(a.grantee)::text END,
  CASE WHEN a.is_grantable THEN ', may grant it' ELSE '' END) AS name
FROM held h CROSS JOIN LATERAL aclexplode(h.acl) AS a
WHERE a.grantee <> h.owner AND a.privilege_type <> 'MAINTAIN'
  AND pg_get_userbyid(a.grantee) <> 'nightferry_repl'
ORDER BY name
