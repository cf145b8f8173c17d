-- The kept traces as a whole.
SELECT
    arg_max(created_at, created_at::TIMESTAMP) AS created_at,
    count(*) AS trace_count,
    round(avg(step_count), 4) AS avg_step_count,
    min(step_count) AS min_step_count,
    max(step_count) AS max_step_count,
    round(avg(length), 4) AS avg_total_chars
FROM kept
