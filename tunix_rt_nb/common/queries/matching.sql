-- The traces for which the filters hold, with what choosing and cleaning need of them. Prompts of
-- known tasks differ in a number or a card only and are not compared by their words: they go
-- without them and without their answers, and so do all where nothing is compared by words.
CREATE OR REPLACE TEMP TABLE matching AS
SELECT
    id,
    created_at,
    task,
    step_count,
    length,
    sha256({prompt_key}) AS prompt_key,
    coalesce(meta ->> '$.earlier_messages', '') AS earlier,
    $by_words AND NOT coalesce(list_contains($not_by_words, task), false) AS by_words,
    CASE WHEN by_words THEN prompt END AS prompt,
    CASE WHEN by_words THEN final_answer END AS answer,
    {value} AS value
FROM fields
WHERE {where}
