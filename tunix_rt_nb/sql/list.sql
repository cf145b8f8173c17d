-- The ids of the traces for which a condition holds, the newest first.
SELECT id
FROM traces
WHERE {where}
ORDER BY created_at DESC, id
LIMIT $limit
OFFSET $offset
