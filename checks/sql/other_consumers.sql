-- Who else consumes this server's changes, or brings changes here?
SELECT 'slot ' || slot_name AS name, 'slot' AS kind FROM pg_replication_slots
WHERE slot_name !~ '^(nightferry$|pg_\d+_sync_)'
UNION ALL
SELECT 'publication ' || quote_ident(pubname), 'publication' FROM pg_publication
WHERE pubname <> 'nightferry'
UNION ALL
SELECT 'subscription ' || quote_ident(subname), 'subscription' FROM pg_subscription
WHERE subname <> 'nightferry' ORDER BY name
