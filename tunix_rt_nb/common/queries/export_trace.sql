-- Traces in parts: the prompt, the text of each step, the answer.
WITH told AS (
    SELECT *, json_object('created_at', created_at, 'trace_version', trace_version) AS facts
    FROM exported
)

SELECT
    id,
    prompt AS prompts,
    list_transform(steps, lambda step: step.content) AS trace_steps,
    final_answer,
    {metadata} AS metadata
FROM told
