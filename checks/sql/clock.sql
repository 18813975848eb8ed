-- What time does the server think it is?
SELECT clock_timestamp() AS at
