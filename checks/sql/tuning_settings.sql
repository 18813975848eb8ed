-- What is set now of everything that is tuned, where that is from, and what the files say of it.
WITH files AS MATERIALIZED (SELECT lower(name) AS name, seqno, setting, sourcefile, error
  FROM pg_file_settings WHERE name IS NOT NULL)
SELECT s.name, s.setting, s.unit, s.source, s.context, s.sourcefile, s.pending_restart, s.enumvals,
  (SELECT f.setting FROM files f WHERE f.name = lower(s.name)
    AND f.sourcefile LIKE '%postgresql.auto.conf' ORDER BY f.seqno DESC LIMIT 1) AS configured,
  (SELECT f.error FROM files f WHERE f.name = lower(s.name) ORDER BY f.seqno DESC LIMIT 1) AS error
FROM pg_settings s WHERE s.name = ANY ($1::text[]) ORDER BY s.name
