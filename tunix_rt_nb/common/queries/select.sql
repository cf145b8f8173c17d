-- The chosen traces in the order of the strategy, each with the first trace that has its prompt and
-- the same messages before it.
CREATE OR REPLACE TEMP TABLE selected AS
WITH ordered AS (
    SELECT *, row_number() OVER (ORDER BY {order}) AS place
    FROM {chosen}
    ORDER BY place
    LIMIT $limit
)

SELECT
    * EXCLUDE (prompt_key, earlier, by_words, value),
    first_value(id) OVER (PARTITION BY prompt_key, earlier ORDER BY place) AS first_id
FROM ordered
