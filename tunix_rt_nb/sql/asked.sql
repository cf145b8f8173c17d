-- What was asked, from files of predictions.
SELECT *
FROM read_json(
    $predictions,
    columns = {id: VARCHAR, prompt: VARCHAR, expected_answer: VARCHAR},
    format = newline_delimited,
    filename = true,
    maximum_object_size = 67108864
)
