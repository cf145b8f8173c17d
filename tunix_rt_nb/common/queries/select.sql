-- The chosen traces in the order of the strategy, each with the side of the split it falls on, the
-- first trace with its prompt and the same messages before it, and the first eval item with its
-- prompt, if there is one.
--
-- Prompts are compared by `prompt_key.sql`: in Unicode NFC, lower case, white space collapsed. The
-- side depends on that key alone: a prompt never changes sides when the data grows, and no prompt
-- stands on both.
CREATE OR REPLACE TEMP TABLE selected AS
WITH ordered AS (
    SELECT *, row_number() OVER (ORDER BY {order}) AS place
    FROM {chosen}
    ORDER BY place
    LIMIT $limit
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
    ordered.* EXCLUDE (prompt_key, earlier, by_words, value),
    ('0x' || left(sha256('split:' || prompt_key), 8))::UBIGINT
        < $eval_fraction * 4294967296.0 AS is_eval,
    first_value(id) OVER (PARTITION BY prompt_key, earlier ORDER BY place) AS first_id,
    eval_item
FROM ordered
LEFT JOIN held_out USING (prompt_key)
