-- Every role with its attributes, memberships and settings, and a fingerprint of its password.
SELECT r.rolname AS name, concat_ws(' ', r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb,
    r.rolreplication, r.rolbypassrls, r.rolconnlimit, r.rolvaliduntil) AS attributes,
  (SELECT coalesce(string_agg(DISTINCT concat_ws(' ', g.rolname, m.admin_option), ', '), '')
   FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid) AS memberships,
  (SELECT coalesce(string_agg(concat_ws(' ', d.datname, s.setconfig), ', '
     ORDER BY d.datname NULLS FIRST), '')
   FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase
   WHERE s.setrole = r.oid AND (s.setdatabase = 0 OR d.datname = current_database())) AS settings,
  coalesce(md5(r.rolpassword), '') AS password_fingerprint
FROM pg_authid r
WHERE r.rolname !~ '^pg_' AND r.rolname NOT IN (current_user, 'nightferry_repl') AND r.oid <> 10
ORDER BY r.rolname
