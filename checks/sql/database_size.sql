-- How large is the database that moves?
SELECT pg_database_size(current_database()) AS bytes
