-- Is there a database of that name?
SELECT datname AS name FROM pg_database WHERE datname = $1
