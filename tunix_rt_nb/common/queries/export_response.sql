-- The response that a model learns, in the style `numbered`.
concat(
    CASE WHEN len(steps) > 0 THEN E'Reasoning:\n' ELSE '' END,
    array_to_string(
        list_transform(steps, lambda step, n: concat(n, '. ', step.content, E'\n')), ''
    ),
    'Answer: ',
    final_answer
)
