-- Traces as a prompt and the response to it, without a template.
WITH told AS (
    SELECT *, json_object('created_at', created_at, 'trace_version', trace_version) AS facts
    FROM exported
)

SELECT
    id,
    prompt,
    {response} AS response,
    {metadata} AS metadata
FROM told
