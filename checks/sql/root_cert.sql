-- Can the server's own processes read this certificate? No bytes: there is no such file.
SELECT length(pg_read_binary_file($1::text, 0, 1, true)) AS bytes
