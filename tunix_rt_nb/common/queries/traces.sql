-- Every trace that was not deleted. Shards have none in common: writers see to that.
CREATE VIEW traces AS
SELECT shards.*
FROM shards
ANTI JOIN deleted USING (id)
