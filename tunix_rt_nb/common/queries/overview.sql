-- The store by task: how many traces, how long they are.
SELECT
    coalesce(json_extract_string(meta, '/task'), 'own') AS task,
    coalesce(json_extract_string(meta, '/difficulty'), '') AS difficulty,
    count(*) AS traces,
    round(avg(len(steps)), 2) AS "steps per trace",
    round(avg(length(prompt)), 1) AS "characters per prompt"
FROM traces
GROUP BY ALL
ORDER BY ALL
