-- Is nothing on this server that could not be copied again: no other database, no tables but ours?
SELECT NOT EXISTS (SELECT FROM pg_database
    WHERE NOT datistemplate AND datname NOT IN ('postgres', $1)) AS alone,
  EXISTS (SELECT FROM pg_namespace WHERE nspname = $2) AS ours,
  NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND n.nspname !~ '^pg_toast') AS bare
