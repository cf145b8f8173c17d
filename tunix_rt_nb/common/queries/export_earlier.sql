-- The messages before the prompt: the system message and the earlier turns; none as a rule.
coalesce(
    from_json_strict(
        meta -> '$.earlier_messages', '[{"role": "VARCHAR", "content": "VARCHAR"}]'
    ),
    []
)
