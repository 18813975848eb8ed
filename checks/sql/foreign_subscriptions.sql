-- Which other subscriptions write into this database?
SELECT quote_ident(subname) AS name, subenabled AS enabled
FROM pg_subscription WHERE subname <> 'nightferry'
  AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY name
