-- A row for each run, of the files in its folder; one that is missing or damaged leaves its fields
-- empty.
WITH documents AS (
    SELECT filename, TRY_CAST(TRY(decode(content)) AS JSON) AS json
    FROM read_blob($documents)
),
places AS (
    SELECT unnest($places::STRUCT(
        run VARCHAR, state VARCHAR, step VARCHAR, finished VARCHAR, problem VARCHAR, folder VARCHAR,
        told VARCHAR, trained VARCHAR, evaluated VARCHAR, rendered VARCHAR
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
    TRY_CAST(evaluated.json ->> '/after/n_scored' AS BIGINT) AS items,
    TRY_CAST(evaluated.json ->> '/before/primary_score' AS DOUBLE) AS before,
    TRY_CAST(evaluated.json ->> '/after/primary_score' AS DOUBLE) AS score,
    TRY_CAST(evaluated.json ->> '/after/strict_score' AS DOUBLE) AS strict_score,
    TRY_CAST(evaluated.json ->> '/after/interval/0' AS DOUBLE) AS low,
    TRY_CAST(evaluated.json ->> '/after/interval/1' AS DOUBLE) AS high,
    TRY_CAST(evaluated.json ->> '/after/steps_right' AS DOUBLE) AS steps_right,
    TRY_CAST(evaluated.json ->> '/after/samples' AS BIGINT) AS samples,
    TRY_CAST(evaluated.json ->> '/after/temperature' AS DOUBLE) AS temperature,
    TRY_CAST(evaluated.json ->> '/after/max_new_tokens' AS BIGINT) AS max_new_tokens,
    rendered.json ->> '/template' AS template,
    rendered.json ->> '/style' AS style,
    rendered.json ->> '/dataset_sha256' AS dataset_sha256,
    rendered.json ->> '/form_sha256' AS form_sha256,
    evaluated.json ->> '/after/items_sha256' AS items_sha256,
    told.json -> '/parameters' AS parameters,
    coalesce(places.problem, CASE
        WHEN form_sha256 IS NULL THEN 'its rendered dataset does not say in which form it asks'
        WHEN items_sha256 IS NULL THEN 'its scorecard does not say which items were asked'
    END) AS problem,
    places.folder
FROM places
LEFT JOIN documents AS told ON told.filename = places.told
LEFT JOIN documents AS trained ON trained.filename = places.trained
LEFT JOIN documents AS evaluated ON evaluated.filename = places.evaluated
LEFT JOIN documents AS rendered ON rendered.filename = places.rendered
