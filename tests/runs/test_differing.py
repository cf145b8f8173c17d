"""Which parameters tell runs apart."""

from hypothesis import given, settings, strategies as st

from tunix_rt_nb.runs.differing import differing


def test_what_is_the_same_for_all_runs_is_left_out() -> None:
    assert differing([{"train": {"STEPS": 8}}, {"train": {"STEPS": 8}}]) == [{}, {}]
    assert differing([]) == []


def test_a_parameter_of_several_steps_stands_once_if_its_values_agree() -> None:
    runs = [
        {"generate": {"SEED": 0}, "train": {"SEED": k}, "evaluate": {"SEED": k}} for k in (1, 2)
    ]
    assert differing(runs) == [{"SEED": 1}, {"SEED": 2}]


def test_a_parameter_whose_steps_disagree_stands_with_each_step() -> None:
    runs = [
        {"train": {"SEED": 1}, "evaluate": {"SEED": 2}},
        {"train": {"SEED": 3}, "evaluate": {"SEED": 3}},
    ]
    assert differing(runs)[0] == {"train.SEED": 1, "evaluate.SEED": 2}


def test_training_comes_first_and_what_a_run_does_not_tell_is_none() -> None:
    runs = [
        {"generate": {"TRACES": {"a": 1}}, "train": {"RATE": 0.1, "NEW": 1}},
        {"generate": {"TRACES": {"a": 2}}, "train": {"RATE": 0.2}},
        {},
    ]
    found = differing(runs)
    assert [list(values) for values in found] == [["RATE", "TRACES"]] * 3
    assert found[2] == {"RATE": None, "TRACES": None}


values = st.dictionaries(
    st.sampled_from("ABC"), st.one_of(st.integers(0, 2), st.lists(st.booleans(), max_size=2))
)


@settings(max_examples=40)
@given(st.lists(st.fixed_dictionaries({"train": values, "build": values}), max_size=4))
def test_each_column_tells_two_runs_apart(runs: list[dict[str, dict[str, object]]]) -> None:
    found = differing(runs)
    assert len(found) == len(runs)
    for name in found[0] if found else ():
        assert len({str(row[name]) for row in found if row[name] is not None}) > 1
