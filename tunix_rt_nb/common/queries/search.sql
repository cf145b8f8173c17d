-- The ids of the traces for which a condition holds and that hold a text, the newest first, and how
-- many there are in all.
SELECT id, count(*) OVER () AS found
FROM fields
WHERE {where}
    AND (
        contains(lower(prompt), lower($text))
        OR contains(lower(final_answer), lower($text))
        OR contains(lower(to_json(steps)::VARCHAR), lower($text))
    )
ORDER BY created_at::TIMESTAMP DESC, id
LIMIT $limit
OFFSET $offset
