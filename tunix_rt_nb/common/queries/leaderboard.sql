-- The runs that can be ranked, those that were asked the same in the same form beside each other:
-- such a group is a board. Runs that did equally well share their rank.
SELECT
    left(sha256(items_sha256 || form_sha256), 8) AS board,
    count(*) OVER board AS runs,
    rank() OVER (board ORDER BY score DESC, steps_right DESC) AS rank,
    *
FROM runs
WHERE problem IS NULL AND ({where})
WINDOW board AS (PARTITION BY items_sha256, form_sha256)
ORDER BY runs DESC, board, rank, run
