-- A row for each run, of the files in its folder; one that is missing or damaged leaves its fields
-- empty. `items_sha256` is that of what was asked: the same for the same items, in any order.
WITH documents AS (
    SELECT filename, TRY_CAST(TRY(decode(content)) AS JSON) AS json
    FROM read_blob($documents)
),
items AS (
    SELECT filename, sha256(string_agg(item, '' ORDER BY item)) AS items_sha256
    FROM (
        SELECT DISTINCT
            filename, sha256(to_json([id, prompt, expected_answer])::VARCHAR) AS item
        FROM ({asked})
    )
    GROUP BY filename
),
places AS (
    SELECT unnest($places::STRUCT(
        run VARCHAR, state VARCHAR, step VARCHAR, finished VARCHAR, problem VARCHAR, folder VARCHAR,
        told VARCHAR, trained VARCHAR, evaluated VARCHAR, rendered VARCHAR, predictions VARCHAR
    )[], recursive := true)
)
SELECT
    places.run,
    places.state,
    places.step,
    places.finished,
    coalesce(told.json ->> '/parameters/train/MODEL', trained.json ->> '/card/base') AS model,
    rendered.json ->> '/dataset_key' AS dataset,
    TRY_CAST(trained.json ->> '/steps' AS BIGINT) AS steps,
    TRY_CAST(trained.json ->> '/eval_loss' AS DOUBLE) AS eval_loss,
    TRY_CAST(evaluated.json ->> '/after/n_items' AS BIGINT) AS items,
    TRY_CAST(evaluated.json ->> '/before/primary_score' AS DOUBLE) AS before,
    TRY_CAST(evaluated.json ->> '/after/primary_score' AS DOUBLE) AS score,
    TRY_CAST(evaluated.json ->> '/after/interval/0' AS DOUBLE) AS low,
    TRY_CAST(evaluated.json ->> '/after/interval/1' AS DOUBLE) AS high,
    TRY_CAST(evaluated.json ->> '/after/steps_right' AS DOUBLE) AS steps_right,
    rendered.json ->> '/template' AS template,
    rendered.json ->> '/style' AS style,
    rendered.json ->> '/dataset_sha256' AS dataset_sha256,
    rendered.json ->> '/form_sha256' AS form_sha256,
    items.items_sha256,
    told.json -> '/parameters' AS parameters,
    coalesce(places.problem, CASE
        WHEN form_sha256 IS NULL THEN 'its rendered dataset does not say in which form it asks'
        WHEN items_sha256 IS NULL THEN 'nothing was asked'
    END) AS problem,
    places.folder
FROM places
LEFT JOIN documents AS told ON told.filename = places.told
LEFT JOIN documents AS trained ON trained.filename = places.trained
LEFT JOIN documents AS evaluated ON evaluated.filename = places.evaluated
LEFT JOIN documents AS rendered ON rendered.filename = places.rendered
LEFT JOIN items ON items.filename = places.predictions
