"""Settings: each bad value is refused in one line that names it."""

from typing import Any

import pytest

from tests.helpers.run_folders import TRACES, predictions, right, wrong
from tunix_rt_nb import evaluate, improve
from tunix_rt_nb.common import InputError
from tunix_rt_nb.improve import Settings


def test_the_defaults_are_good_and_parameters_in_capitals_are_taken() -> None:
    assert Settings.of().method == "filter"
    given = {"METHOD": "reward", "GROUP": 4, "ANSWER_TEMPERATURE": 0.8, "MODEL": "tiny", "SEED": 3}
    assert Settings.of_parameters(given) == Settings.of(
        method="reward", group=4, answer_temperature=0.8, seed=3
    )


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"METHOD": "grpo"}, "METHOD: Input should be 'filter', 'reward' or 'prefer'"),
        ({"CREDIT": "sum"}, "CREDIT: Input should be 'answer', 'gated' or 'first_wrong'"),
        ({"GROUP": 1}, "GROUP: Input should be greater than or equal to 2"),
        ({"GROUP": 2.0}, "GROUP: Input should be a valid integer"),
        ({"ROUNDS": 0}, "ROUNDS: Input should be greater than or equal to 1"),
        ({"PROMPTS": 0}, "PROMPTS: Input should be greater than or equal to 1"),
        ({"ROUND_STEPS": 0}, "ROUND_STEPS: Input should be greater than or equal to 1"),
        ({"ANSWER_TEMPERATURE": 0.0}, "ANSWER_TEMPERATURE: Input should be greater than 0"),
        ({"ANSWER_TEMPERATURE": float("nan")}, "ANSWER_TEMPERATURE: Input should be a finite num"),
        ({"REPLAY": 1.0}, "REPLAY: Input should be less than 1"),
        ({"REPLAY": -0.1}, "REPLAY: Input should be greater than or equal to 0"),
        ({"BETA": -1.0}, "BETA: Input should be greater than or equal to 0"),
        ({"BETA": float("inf")}, "BETA: Input should be a finite number"),
        ({"MAX_NEW_TOKENS": 0}, "MAX_NEW_TOKENS: Input should be greater than or equal to 1"),
        ({"SEED": -1}, "SEED: Input should be greater than or equal to 0"),
        ({"METHOD": "prefer"}, "BETA: is 0, but `prefer` needs one above 0, such as 0.1"),
        ({"METHOD": "prefer", "BETA": 0.0}, "BETA: is 0, but `prefer` needs one above 0"),
    ],
)
def test_a_bad_parameter_is_refused_by_its_name(parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as told:
        Settings.of_parameters(parameters)
    assert str(told.value).startswith(says)
    assert "\n" not in str(told.value)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(InputError, match="^groups: "):
        Settings.of(groups=3)


def test_training_has_the_steps_of_all_rounds_and_a_checkpoint_at_least_each_round() -> None:
    settings = Settings.of(rounds=3, round_steps=50)
    parameters = {"BATCH_SIZE": 4, "CHECKPOINT_EVERY": 400, "DTYPE": "bfloat16", "ROUNDS": 3}
    config = settings.training(parameters, 0.004)
    assert (config.steps, config.eval_every, config.checkpoint_every) == (150, 50, 50)
    assert (config.batch_size, config.dtype, config.warmup_steps) == (4, "bfloat16", 20)
    assert config.learning_rate == pytest.approx(0.001)
    assert config.keep == "last"
    assert config.patience == 0
    often = settings.training({"CHECKPOINT_EVERY": 7, "IMPROVE_RATE": 0.1}, 0.004)
    assert (often.checkpoint_every, often.learning_rate) == (7, 0.1)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"BATCH_SIZE": 0}, "BATCH_SIZE: Input should be greater than or equal to 1"),
        ({"IMPROVE_RATE": -1.0}, "IMPROVE_RATE: Input should be greater than 0"),
        ({"CHECKPOINT_EVERY": 0}, "CHECKPOINT_EVERY: Input should be greater than or equal to 1"),
        ({"CHECKPOINT_EVERY": "9"}, "CHECKPOINT_EVERY: Input should be a valid integer"),
    ],
)
def test_a_bad_parameter_of_training_is_refused_by_its_name(
    parameters: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError) as told:
        Settings.of().training(parameters, 0.004)
    assert str(told.value).startswith(says)


def test_a_model_that_never_writes_in_the_style_is_refused() -> None:
    improve.check_ready(evaluate.sum_up(predictions([wrong(TRACES[0]), "Hm."], TRACES[:2])))
    lost = predictions([f"Sure! {right(trace)}" for trace in TRACES[:3]], TRACES[:3])
    says = "^model: none of 3 answers keeps to the style numbered, so no attempt would be right"
    with pytest.raises(InputError, match=says):
        improve.check_ready(evaluate.sum_up(lost))
