-- Traces as one text each, in a template; what stands in a trace stays as it is. `$system` is the
-- system message of a chat without one of its own.
WITH told AS (
    SELECT
        *,
        json_object(
            'created_at', created_at, 'trace_version', trace_version, 'format', 'tunix_sft'{form}
        ) AS facts,
        {earlier} AS earlier
    FROM exported
),

chats AS (
    SELECT
        *,
        coalesce(
            nullif(list_filter(earlier, lambda m: m.role = 'system')[1].content, ''), $system
        ) AS system_message,
        list_filter(earlier, lambda m: m.role <> 'system') AS turns,
        $system_last AND len(turns) > 0 AS is_late
    FROM told
)

SELECT
    id,
    concat(
        CASE
            WHEN system_message = '' OR is_late THEN $before_prompt
            ELSE concat($before_system, system_message, $after_system)
        END,
        array_to_string(
            list_transform(
                turns,
                lambda message: concat(
                    message.content,
                    CASE message.role
                        WHEN 'user' THEN concat($after_prompt, $before_response)
                        ELSE $next_turn
                    END
                )
            ),
            ''
        ),
        CASE
            WHEN is_late AND system_message <> '' THEN concat(system_message, $after_system)
            ELSE ''
        END,
        prompt,
        $after_prompt,
        $before_response,
        {response},
        $stop
    ) AS prompts,
    final_answer,
    {metadata} AS metadata
FROM chats
