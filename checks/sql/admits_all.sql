-- Does a line of pg_hba.conf let any address try to log in?
SELECT EXISTS (SELECT FROM pg_hba_file_rules WHERE error IS NULL AND auth_method <> 'reject'
  AND type <> 'local' AND (address = 'all' OR netmask IN ('0.0.0.0', '::'))) AS every_address
