-- Everything the schema consists of, each with a fingerprint of its definition, to be compared.
WITH ours AS (
  SELECT n.oid, n.nspname, pg_get_userbyid(n.nspowner) AS owner FROM pg_namespace n
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry')
    AND n.nspname !~ '^pg_(toast|temp)'
), members AS (
  SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), relations AS (
  SELECT c.*, o.nspname, format('%I.%I', o.nspname, c.relname) AS quoted
  FROM pg_class c JOIN ours o ON o.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND c.relpersistence <> 't'
    AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
), found (kind, name, definition) AS (
  SELECT 'schema', quote_ident(nspname), owner::text FROM ours
  UNION ALL
  SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialised view'
      WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END,
    quoted, concat_ws(' ', relkind, relpersistence, pg_get_userbyid(relowner), relreplident,
      relispartition, relrowsecurity, relforcerowsecurity, array_to_string(reloptions, ','),
      pg_get_expr(relpartbound, oid), CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) END,
      CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END)
  FROM relations
  UNION ALL
  SELECT 'sequence parameters', r.quoted, concat_ws(' ', s.seqtypid::regtype, s.seqstart,
    s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle)
  FROM pg_sequence s JOIN relations r ON r.oid = s.seqrelid
  UNION ALL
  SELECT 'column', format('%s.%I', r.quoted, a.attname), concat_ws(' ',
    format_type(a.atttypid, a.atttypmod), a.attnotnull,
    -- From 17 on a partition has its parent's identity, before it has none.
    CASE WHEN NOT r.relispartition THEN a.attidentity END, a.attgenerated,
    (SELECT collname FROM pg_collation WHERE oid = a.attcollation), pg_get_expr(d.adbin, d.adrelid))
  FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE r.relkind <> 'S' AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT 'constraint', format('%I on %s', k.conname, coalesce(r.quoted, k.contypid::regtype::text)),
    concat_ws(' ', pg_get_constraintdef(k.oid), k.convalidated)
  FROM pg_constraint k JOIN ours o ON o.oid = k.connamespace
  LEFT JOIN relations r ON r.oid = k.conrelid
  WHERE k.contype NOT IN ('n', 't') AND (k.conrelid = 0 OR r.oid IS NOT NULL)
  UNION ALL
  SELECT 'index', format('%I.%I', r.nspname, x.relname),
    concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisreplident)
  FROM pg_index i JOIN relations r ON r.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
  UNION ALL
  SELECT 'trigger', format('%I on %s', t.tgname, r.quoted),
    concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
  FROM pg_trigger t JOIN relations r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
  UNION ALL
  SELECT 'function', format('%I.%I(%s)', o.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
    concat_ws(' ', pg_get_userbyid(p.proowner),
      CASE WHEN p.prokind = 'a' THEN pg_get_function_result(p.oid) ELSE pg_get_functiondef(p.oid) END)
  FROM pg_proc p JOIN ours o ON o.oid = p.pronamespace
  WHERE NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
  UNION ALL
  SELECT 'type', format('%I.%I', o.nspname, t.typname), concat_ws(' ', t.typtype,
    pg_get_userbyid(t.typowner), CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod)
    END, t.typnotnull, t.typdefault, (SELECT string_agg(quote_literal(e.enumlabel), ', '
      ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
  FROM pg_type t JOIN ours o ON o.oid = t.typnamespace
  WHERE t.typtype IN ('e', 'd', 'r')
    AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
  UNION ALL
  SELECT 'rule', format('%I on %s', w.rulename, r.quoted), pg_get_ruledef(w.oid)
  FROM pg_rewrite w JOIN relations r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
  UNION ALL
  SELECT 'policy', format('%I on %s', p.polname, r.quoted), concat_ws(' ', p.polcmd, p.polpermissive,
    (SELECT string_agg(CASE WHEN role = 0 THEN 'public' ELSE pg_get_userbyid(role)::text END, ', '
      ORDER BY pg_get_userbyid(role)) FROM unnest(p.polroles) AS role),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
  FROM pg_policy p JOIN relations r ON r.oid = p.polrelid
  UNION ALL
  SELECT 'statistics', format('%I.%I', o.nspname, s.stxname), pg_get_statisticsobjdef(s.oid)
  FROM pg_statistic_ext s JOIN ours o ON o.oid = s.stxnamespace
  UNION ALL
  SELECT 'event trigger', quote_ident(evtname), concat_ws(' ', evtevent, evtfoid::regproc, evttags)
  FROM pg_event_trigger
  UNION ALL
  SELECT 'extension', quote_ident(extname), '' FROM pg_extension
  UNION ALL
  SELECT 'comment', concat_ws(' ', d.classoid::regclass, r.quoted, nullif(d.objsubid, 0)), d.description
  FROM pg_description d JOIN relations r ON d.classoid = 'pg_class'::regclass AND d.objoid = r.oid
)
SELECT kind, name, md5(definition) AS fingerprint FROM found ORDER BY kind, name
