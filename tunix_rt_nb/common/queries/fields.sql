-- The traces with what one can filter and choose them by besides `meta`: how many steps, how many
-- characters, and the baseline score, 0 to 100: up to 50 for the number of steps (ten reach it),
-- up to 50 for their mean length (500 characters reach it).
-- Steps are checked only where a query names `steps_wrong` or `steps_checked`.
CREATE VIEW fields AS
SELECT
    *,
    round(
        least(step_count / 10, 1) * 50 + least(step_characters / greatest(step_count, 1) / 500, 1) * 50,
        2
    ) AS score,
    length(prompt) + step_characters + length(final_answer) AS length,
    step_counts[2] AS steps_wrong,
    step_counts[1] + step_counts[2] AS steps_checked
FROM (
    SELECT
        *,
        json_extract_string(meta, '/task') AS task,
        len(steps) AS step_count,
        coalesce(list_sum(list_transform(steps, lambda step: length(step.content))), 0)::BIGINT
            AS step_characters,
        step_counts(
            prompt, to_json(steps)::VARCHAR, final_answer, coalesce(meta::VARCHAR, 'null')
        ) AS step_counts
    FROM traces
)
