-- Which cluster is this? Equal numbers are the same cluster, or a physical copy of it.
SELECT system_identifier::text AS system_identifier FROM pg_control_system()
