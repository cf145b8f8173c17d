-- The ids of the traces for which a condition holds, the newest first.
SELECT id
FROM fields
WHERE {where}
ORDER BY created_at::TIMESTAMP DESC, id
LIMIT $limit
OFFSET $offset
