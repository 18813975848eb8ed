-- Which versions of these extensions could be installed?
SELECT name, array_agg(version ORDER BY version)::text[] AS versions
FROM pg_available_extension_versions WHERE name = ANY ($1::text[]) GROUP BY name ORDER BY name
