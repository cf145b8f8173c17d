-- The lines of a dataset's files in their order, without the deleted traces.
--
-- Rows that are joined lose their order on several threads, and sorting them takes gigabytes; so
-- the ids to leave out are looked up in one of 256 lists, by the two digits with which they begin.
SELECT *
FROM lines
WHERE NOT list_contains(
    list_extract($deleted::VARCHAR[][], 1 + ('0x' || left(id, 2))::INTEGER), id
)
