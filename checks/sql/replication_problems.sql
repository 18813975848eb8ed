-- What went wrong while rows were applied?
SELECT apply_error_count AS apply_errors, sync_error_count AS sync_errors, 0::bigint AS conflicts
FROM pg_stat_subscription_stats WHERE subname = $1
