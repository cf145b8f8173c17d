-- The kept traces by task.
SELECT
    task,
    count(*) FILTER (NOT is_eval) AS train,
    count(*) FILTER (is_eval) AS eval
FROM kept
GROUP BY ALL
ORDER BY ALL
