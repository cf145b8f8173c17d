-- The chosen traces in the order of the strategy, each with the side of the split it falls on.
--
-- The side depends on the normalised prompt alone: a prompt never changes sides when the data
-- grows, and no prompt stands on both. Of several traces with one prompt the first is kept.
WITH keyed AS (
    SELECT *, sha256(lower(trim(regexp_replace(prompt, '\s+', ' ', 'g')))) AS prompt_key
    FROM traces
    WHERE {where}
),

ordered AS (
    SELECT *, row_number() OVER (ORDER BY {order}) AS place
    FROM keyed
    ORDER BY place
    LIMIT $limit
)

SELECT
    * EXCLUDE (place),
    ('0x' || left(sha256('split:' || prompt_key), 8))::UBIGINT
        < $eval_fraction * 4294967296.0 AS is_eval,
    first_value(id) OVER (PARTITION BY prompt_key ORDER BY place) AS first_id
FROM ordered
ORDER BY place
