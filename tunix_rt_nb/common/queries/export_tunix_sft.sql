-- Traces as one text each, in Gemma's template; what stands in a trace stays as it is.
WITH told AS (
    SELECT
        *,
        json_object(
            'created_at', created_at, 'trace_version', trace_version, 'format', 'tunix_sft'
        ) AS facts
    FROM exported
)

SELECT
    id,
    concat(
        E'<start_of_turn>user\n',
        prompt,
        E'<end_of_turn>\n<start_of_turn>model\nReasoning:\n',
        array_to_string(
            list_transform(steps, lambda step, n: concat(n, '. ', step.content, E'\n')), ''
        ),
        'Answer: ',
        final_answer,
        '<end_of_turn>'
    ) AS prompts,
    final_answer,
    {metadata} AS metadata
FROM told
