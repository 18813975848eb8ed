-- Which roles are there, with what attributes?
SELECT rolname AS name, quote_ident(rolname) AS quoted, rolcanlogin AS login,
  rolsuper AS superuser, rolreplication AS replication, rolbypassrls AS bypassrls,
  rolcreaterole AS createrole, rolcreatedb AS createdb, rolinherit AS inherit,
  rolconnlimit AS connection_limit, rolvaliduntil AS valid_until,
  rolname = current_user AS wizard
FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY rolname
