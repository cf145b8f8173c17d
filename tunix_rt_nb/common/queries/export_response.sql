-- The response that a model learns, in a style: its opening, the steps, its middle, the answer and
-- its closing. A style without a closing has no opening either where there are no steps.
concat(
    CASE WHEN len(steps) > 0 OR $closing <> '' THEN $opening ELSE '' END,
    array_to_string(
        list_transform(steps, lambda step, n: concat(n, '. ', step.content, E'\n')), ''
    ),
    $middle,
    final_answer,
    $closing
)
