-- Which event triggers are there, and which of them fire in replication as well?
SELECT quote_ident(evtname) AS name, evtevent AS event, evtenabled::text AS enabled
FROM pg_event_trigger WHERE evtenabled <> 'D' ORDER BY name
