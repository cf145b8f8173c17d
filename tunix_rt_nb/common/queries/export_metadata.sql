-- What a record says of its trace: the object `facts`, then the trace's own `meta`. A key that both
-- have stands where `facts` has it, with the value that `meta` has, as in Python's {**a, **b}.
--
-- Objects without a key in common, as a rule, are joined as text, which is much faster; the keys are
-- looked at only where a text has one of them somewhere.
CASE
    WHEN meta IS NULL OR meta::VARCHAR = '{}'
        THEN facts
    WHEN regexp_matches(meta::VARCHAR, '"(?:created_at|trace_version|format|source_trace_id|form)"|\\u')
        AND list_has_any(json_keys(meta), json_keys(facts))
        THEN to_json(map_concat(facts::MAP(VARCHAR, JSON), meta::MAP(VARCHAR, JSON)))
    ELSE (left(facts::VARCHAR, -1) || ',' || substr(meta::VARCHAR, 2))::JSON
END
