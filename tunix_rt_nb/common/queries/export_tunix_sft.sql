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
        array_to_string(
            list_transform(
                {earlier},
                lambda message: concat(
                    message.content,
                    CASE message.role
                        WHEN 'system' THEN E'\n\n'
                        WHEN 'user' THEN E'<end_of_turn>\n<start_of_turn>model\n'
                        ELSE E'<end_of_turn>\n<start_of_turn>user\n'
                    END
                )
            ),
            ''
        ),
        prompt,
        E'<end_of_turn>\n<start_of_turn>model\n',
        {response},
        '<end_of_turn>'
    ) AS prompts,
    final_answer,
    {metadata} AS metadata
FROM told
