-- Is the wizard's role a superuser, and may it replicate?
SELECT rolname AS role, rolsuper AS superuser, rolreplication AS replication
FROM pg_roles WHERE rolname = current_user
