-- The traces that stay, those to train on first: where their lines are found, by the two halves of
-- their ids, and what the manifest says of them.
CREATE OR REPLACE TEMP TABLE kept AS
SELECT
    id,
    ('0x' || left(replace(id, '-', ''), 16))::UBIGINT AS hi,
    ('0x' || right(replace(id, '-', ''), 16))::UBIGINT AS lo,
    created_at,
    coalesce(task, 'own') AS task,
    step_count,
    length,
    is_eval
FROM selected
ANTI JOIN (SELECT unnest($refused::VARCHAR[]) AS id) USING (id)
ORDER BY is_eval, place
