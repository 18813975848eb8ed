-- What the route must know of a server.
SELECT version() AS version, current_setting('server_version') AS short_version,
  current_setting('data_directory') AS data_directory, current_setting('hba_file') AS hba_file,
  current_setting('config_file') AS config_file, current_setting('wal_level') AS wal_level,
  current_setting('listen_addresses') AS listen_addresses, current_setting('port')::int AS port,
  host(inet_server_addr()) AS address,
  current_setting('ssl') = 'on' AS tls,
  (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
  current_user::text AS wizard,
  (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier
