-- Every trace once: where two writers added the same one, the earliest copy stands.
CREATE VIEW traces AS
SELECT *
FROM shards
QUALIFY row_number() OVER (PARTITION BY id ORDER BY created_at) = 1
