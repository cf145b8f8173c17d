-- A row for each promoted model; the newest version of a name comes first. If its version.json is
-- damaged, the other fields are empty.
WITH places AS (
    SELECT unnest($places::STRUCT(
        model VARCHAR, version VARCHAR, folder VARCHAR, problem VARCHAR, told JSON
    )[], recursive := true)
)
SELECT
    model,
    version,
    told ->> '/run' AS run,
    told ->> '/base' AS base,
    told ->> '/dataset' AS dataset,
    TRY_CAST(told ->> '/scorecard/n_scored' AS BIGINT) AS items,
    TRY_CAST(told ->> '/scorecard/primary_score' AS DOUBLE) AS score,
    TRY_CAST(told ->> '/scorecard/steps_right' AS DOUBLE) AS steps_right,
    TRY_CAST(told ->> '/bytes' AS BIGINT) AS bytes,
    told ->> '/sha256' AS sha256,
    problem,
    folder
FROM places
ORDER BY model, TRY_CAST(version[2:] AS BIGINT) DESC
