-- What is set for the database itself.
SELECT unnest(s.setconfig) AS name FROM pg_db_role_setting s
JOIN pg_database d ON d.oid = s.setdatabase
WHERE s.setrole = 0 AND d.datname = current_database() ORDER BY name
