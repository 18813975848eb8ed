-- What went wrong while rows were applied? A conflict is also a row that was silently left out.
SELECT apply_error_count AS apply_errors, sync_error_count AS sync_errors,
  confl_insert_exists + confl_update_origin_differs + confl_update_exists + confl_update_missing
  + confl_delete_origin_differs + confl_delete_missing + confl_multiple_unique_conflicts
    AS conflicts
FROM pg_stat_subscription_stats WHERE subname = $1
