-- Which process is the server, on its own host?
SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int AS pid
