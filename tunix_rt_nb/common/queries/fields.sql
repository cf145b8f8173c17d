-- The traces with what one can filter and choose them by besides `meta`: how many steps, how many
-- characters, and the baseline score, 0 to 100: half for ten steps, half for 500 characters a step.
CREATE VIEW fields AS
SELECT
    *,
    round(
        least(step_count / 10, 1) * 50 + least(step_characters / step_count / 500, 1) * 50, 2
    ) AS score,
    length(prompt) + step_characters + length(final_answer) AS length
FROM (
    SELECT
        *,
        json_extract_string(meta, '/task') AS task,
        len(steps) AS step_count,
        list_sum(list_transform(steps, lambda step: length(step.content)))::BIGINT
            AS step_characters
    FROM traces
)
