-- What is this setting, and since when does it wait for a restart?
SELECT name, setting, unit, context, source, pending_restart FROM pg_settings WHERE name = $1
