-- The response that a model learns, in the style `numbered`: a line in a step that begins like a
-- step or the answer, and every further line of the answer, have a backslash before them.
concat(
    E'Reasoning:\n',
    array_to_string(
        list_transform(
            steps,
            lambda step, n: concat(
                n,
                '. ',
                regexp_replace(
                    step.content, '\n(\\*(?:[0-9]+\. |Answer: ))', E'\n\\\\\\1', 'g'
                ),
                E'\n'
            )
        ),
        ''
    ),
    'Answer: ',
    replace(final_answer, E'\n', E'\n\\')
)
