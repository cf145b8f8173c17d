-- The traces for which the filters hold, with what choosing and cleaning need of them. Prompts of
-- known tasks differ in a number or a card only and are not compared by their words: they go
-- without them and without their answers, and so do all where nothing is compared by words.
--
-- Prompts are compared by `prompt_key.sql`: in Unicode NFC, lower case, white space collapsed. The
-- side depends on that key alone: a prompt never changes sides when the data grows, and no prompt
-- stands on both. `eval_item` is the first eval item with this prompt, if there is one.
CREATE OR REPLACE TEMP TABLE matching AS
WITH found AS (
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
),

items AS (
    SELECT unnest($eval_items::VARCHAR[]) AS name, unnest($eval_prompts::VARCHAR[]) AS prompt
),

held_out AS (
    SELECT sha256({prompt_key}) AS prompt_key, min(name) AS eval_item
    FROM items
    GROUP BY ALL
)

SELECT
    found.*,
    ('0x' || left(sha256('split:' || prompt_key), 8))::UBIGINT
        < $eval_fraction * 4294967296.0 AS is_eval,
    eval_item
FROM found
LEFT JOIN held_out USING (prompt_key)
