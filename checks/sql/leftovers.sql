-- What of the night's own things is still here?
SELECT 'publication' AS name FROM pg_publication WHERE pubname = 'nightferry'
UNION ALL SELECT 'replication slot' FROM pg_replication_slots WHERE slot_name = 'nightferry'
UNION ALL SELECT 'subscription' FROM pg_subscription WHERE subname = 'nightferry'
  AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL SELECT 'schema nightferry' FROM pg_namespace WHERE nspname = 'nightferry'
UNION ALL SELECT 'role nightferry_repl' FROM pg_roles WHERE rolname = 'nightferry_repl'
ORDER BY name
