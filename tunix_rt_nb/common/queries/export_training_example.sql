-- Traces as a prompt that asks for steps, as the service `tunix-rt` asked, and the response to it,
-- without a template.
WITH told AS (
    SELECT
        *,
        json_object(
            'source_trace_id', id, 'created_at', created_at, 'trace_version', trace_version{form}
        ) AS facts
    FROM exported
)

SELECT
    id,
    concat(prompt, $request) AS prompt,
    {response} AS response,
    {metadata} AS metadata
FROM told
