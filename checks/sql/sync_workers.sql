-- How many tables does a subscription copy at the same time?
SELECT current_setting('max_sync_workers_per_subscription')::int AS workers
