-- The functions whose result depends on their arguments alone: no clock, no chance, no setting.
SELECT function_name
FROM duckdb_functions()
GROUP BY function_name
HAVING bool_and(function_type = 'scalar' AND stability = 'CONSISTENT')
