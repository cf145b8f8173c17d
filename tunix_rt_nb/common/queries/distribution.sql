-- How many traces there are of each task, difficulty and length.
SELECT
    coalesce(json_extract_string(meta, '/task'), 'own') AS task,
    coalesce(json_extract_string(meta, '/difficulty'), '') AS difficulty,
    len(steps) AS steps,
    length(prompt) + length(final_answer)
        + coalesce(list_sum(list_transform(steps, lambda step: length(step.content))), 0)::BIGINT
        AS characters,
    count(*) AS traces
FROM traces
GROUP BY ALL
ORDER BY ALL
