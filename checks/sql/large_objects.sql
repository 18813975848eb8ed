-- How many large objects are there? Logical replication does not carry them.
SELECT count(*) AS large_objects FROM pg_largeobject_metadata
