-- The settings whose difference an application could notice.
SELECT name, setting FROM pg_settings WHERE name IN ('TimeZone', 'DateStyle', 'IntervalStyle',
  'bytea_output', 'standard_conforming_strings', 'default_transaction_isolation',
  'default_transaction_read_only', 'default_text_search_config', 'extra_float_digits',
  'array_nulls', 'backslash_quote', 'xmlbinary', 'row_security', 'max_connections',
  'max_prepared_transactions', 'max_locks_per_transaction', 'shared_preload_libraries',
  'session_preload_libraries', 'local_preload_libraries', 'lc_monetary', 'lc_numeric',
  'lc_time', 'lc_messages', 'timezone_abbreviations', 'statement_timeout',
  'idle_in_transaction_session_timeout', 'password_encryption') ORDER BY name
