-- Traces as a chat of two messages.
WITH told AS (
    SELECT *, json_object('created_at', created_at, 'trace_version', trace_version) AS facts
    FROM exported
)

SELECT
    [
        struct_pack("role" := 'user', content := prompt),
        struct_pack("role" := 'assistant', content := {response})
    ] AS messages,
    id,
    {metadata} AS metadata
FROM told
