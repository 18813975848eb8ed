-- The database that moves, and whether the night's things are there already.
SELECT current_database()::text AS name, pg_get_userbyid(datdba)::text AS owner,
  pg_database_size(oid) AS size_bytes,
  EXISTS (SELECT FROM pg_publication WHERE pubname = 'nightferry') AS publication,
  EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'nightferry') AS slot,
  EXISTS (SELECT FROM pg_namespace WHERE nspname = 'nightferry') AS helper_schema,
  EXISTS (SELECT FROM pg_subscription s WHERE s.subname = 'nightferry'
    AND s.subdbid = pg_database.oid) AS subscription
FROM pg_database WHERE datname = current_database()
