-- Traces as a chat: the messages before the prompt, the prompt, the response. A system message that
-- the whole dataset has comes first, unless a chat has one of its own.
WITH told AS (
    SELECT
        *,
        json_object('created_at', created_at, 'trace_version', trace_version{form}) AS facts,
        {earlier} AS earlier
    FROM exported
)

SELECT
    list_concat(
        CASE
            WHEN $system = '' OR coalesce(earlier[1].role = 'system', false) THEN []
            ELSE [struct_pack("role" := 'system', content := $system)]
        END,
        earlier,
        [
            struct_pack("role" := 'user', content := prompt),
            struct_pack("role" := 'assistant', content := {response})
        ]
    ) AS messages,
    id,
    {metadata} AS metadata
FROM told
