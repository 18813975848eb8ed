-- Has this night left its helper schema or its subscription here already?
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'nightferry') AS helper_schema,
  EXISTS (SELECT FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
    WHERE s.subname = 'nightferry' AND d.datname = current_database()) AS subscription
