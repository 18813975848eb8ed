-- Where does the server keep its data, its log and its temporary files?
SELECT current_setting('data_directory') AS data,
  CASE WHEN current_setting('logging_collector') = 'on'
    THEN current_setting('log_directory') END AS log,
  ARRAY(SELECT pg_tablespace_location(oid) FROM pg_tablespace
    WHERE spcname = ANY (SELECT btrim(name, ' "')
      FROM unnest(string_to_array(current_setting('temp_tablespaces'), ',')) AS name)
    AND pg_tablespace_location(oid) <> '' ORDER BY spcname) AS temporary
