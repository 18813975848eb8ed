-- The materialised views to fill, those that others read first.
WITH RECURSIVE views AS (
  SELECT c.oid, n.nspname AS schema, c.relname AS name,
    format('%I.%I', n.nspname, c.relname) AS quoted, c.relkind, c.relispopulated AS populated
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('m', 'v')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'nightferry')
), reads AS (
  SELECT DISTINCT w.ev_class AS reader, d.refobjid AS read
  FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class
    AND w.ev_class IN (SELECT oid FROM views) AND d.refobjid IN (SELECT oid FROM views)
), depths AS (
  SELECT oid, 0 AS depth FROM views
  UNION
  SELECT r.reader, p.depth + 1 FROM depths p JOIN reads r ON r.read = p.oid
)
SELECT v.schema, v.name, v.quoted, v.populated
FROM views v JOIN depths p ON p.oid = v.oid WHERE v.relkind = 'm'
GROUP BY v.schema, v.name, v.quoted, v.populated ORDER BY max(p.depth), v.schema, v.name
