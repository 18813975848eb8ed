-- Which prepared transactions wait for their second phase, in the whole cluster?
SELECT gid AS name, owner AS who, database,
  round(extract(epoch FROM clock_timestamp() - prepared))::bigint AS age_s
FROM pg_prepared_xacts ORDER BY prepared
