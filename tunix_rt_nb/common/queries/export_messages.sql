-- Traces as a chat: the messages before the prompt, the prompt, the response.
WITH told AS (
    SELECT *, json_object('created_at', created_at, 'trace_version', trace_version) AS facts
    FROM exported
)

SELECT
    list_concat(
        {earlier},
        [
            struct_pack("role" := 'user', content := prompt),
            struct_pack("role" := 'assistant', content := {response})
        ]
    ) AS messages,
    id,
    {metadata} AS metadata
FROM told
