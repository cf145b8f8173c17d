-- The traces with some ids, in the order in which the ids are given; one that lacks a field is an
-- error.
SELECT traces.*
FROM traces
JOIN (SELECT unnest($ids::VARCHAR[]) AS id, generate_subscripts($ids::VARCHAR[], 1) AS place)
    USING (id)
WHERE CASE
    WHEN prompt IS NULL OR final_answer IS NULL OR len(steps) IS NULL
        THEN error(concat('trace ', id, ' lacks a field'))
    ELSE true
END
ORDER BY place
