-- A row for each promoted model; the newest version of a name comes first. Of a damaged
-- version.json the place in the folders is all that is known.
WITH documents AS (
    SELECT
        string_split(filename, '/') AS path,
        TRY_CAST(TRY(decode(content)) AS JSON) AS json
    FROM read_blob($paths)
)
SELECT
    path[-3] AS model,
    path[-2] AS version,
    json ->> '/run' AS run,
    json ->> '/base' AS base,
    json ->> '/dataset' AS dataset,
    TRY_CAST(json ->> '/scorecard/n_scored' AS BIGINT) AS items,
    TRY_CAST(json ->> '/scorecard/primary_score' AS DOUBLE) AS score,
    TRY_CAST(json ->> '/scorecard/steps_right' AS DOUBLE) AS steps_right,
    TRY_CAST(json ->> '/bytes' AS BIGINT) AS bytes,
    json ->> '/sha256' AS sha256,
    array_to_string(path[:-2], '/') AS folder
FROM documents
ORDER BY model, TRY_CAST(path[-2][2:] AS BIGINT) DESC
