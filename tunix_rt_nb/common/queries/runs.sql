-- A row for each run, of the files in its folder; one that is missing or damaged leaves its fields
-- empty.
WITH places AS (
    SELECT unnest($places::STRUCT(
        run VARCHAR, state VARCHAR, step VARCHAR, finished VARCHAR, problem VARCHAR, folder VARCHAR,
        told JSON, trained JSON, evaluated JSON, rendered JSON
    )[], recursive := true)
)
SELECT
    places.run,
    places.state,
    places.step,
    places.finished,
    coalesce(told ->> '/parameters/train/MODEL', trained ->> '/card/base') AS model,
    rendered ->> '/dataset_key' AS dataset,
    TRY_CAST(trained ->> '/steps' AS BIGINT) AS steps,
    TRY_CAST(trained ->> '/eval_loss' AS DOUBLE) AS eval_loss,
    TRY_CAST(evaluated ->> '/after/n_scored' AS BIGINT) AS items,
    TRY_CAST(evaluated ->> '/before/primary_score' AS DOUBLE) AS before,
    TRY_CAST(evaluated ->> '/after/primary_score' AS DOUBLE) AS score,
    TRY_CAST(evaluated ->> '/after/strict_score' AS DOUBLE) AS strict_score,
    TRY_CAST(evaluated ->> '/after/interval/0' AS DOUBLE) AS low,
    TRY_CAST(evaluated ->> '/after/interval/1' AS DOUBLE) AS high,
    TRY_CAST(evaluated ->> '/after/steps_right' AS DOUBLE) AS steps_right,
    TRY_CAST(evaluated ->> '/after/samples' AS BIGINT) AS samples,
    TRY_CAST(evaluated ->> '/after/temperature' AS DOUBLE) AS temperature,
    TRY_CAST(evaluated ->> '/after/max_new_tokens' AS BIGINT) AS max_new_tokens,
    rendered ->> '/template' AS template,
    rendered ->> '/style' AS style,
    rendered ->> '/dataset_sha256' AS dataset_sha256,
    rendered ->> '/form_sha256' AS form_sha256,
    evaluated ->> '/after/items_sha256' AS items_sha256,
    told -> '/parameters' AS parameters,
    coalesce(places.problem, CASE
        WHEN form_sha256 IS NULL THEN 'its rendered dataset does not say in which form it asks'
        WHEN items_sha256 IS NULL THEN 'its scorecard does not say which items were asked'
        WHEN items IS NULL THEN 'its scorecard does not say how many items were graded'
    END) AS problem,
    places.folder
FROM places
