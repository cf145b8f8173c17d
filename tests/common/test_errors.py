import shlex
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from tests.helpers.odd import texts
from tunix_rt_nb.common import InputError, check_name, nearest

SAFE = "abcXYZ019._-"


@pytest.mark.parametrize("name", ["a", "7", "cards-v1.2_b", "A" * 64, "con..", "0-"])
def test_a_safe_name_is_returned_as_it_is(name: str) -> None:
    assert check_name("run-id", name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", ".hidden", "-rf", "_x", "a/b", "../a", "a\\b", "a b", " a", "a ", "a\n"),
        *("A" * 65, "a\0", "$HOME", "~", "a;b", "a'b", 'a"b', "a*", "é", "a\u0661", "a\u202eb"),
    ],
)
def test_a_name_that_a_shell_or_a_file_system_could_take_amiss_is_refused(name: str) -> None:
    with pytest.raises(
        InputError, match="^run-id: '?\"?.* is unsafe, use letters, digits"
    ) as error:
        check_name("run-id", name)
    assert str(error.value).startswith(f"run-id: {name!r} is unsafe")
    assert str(error.value).isprintable()


@given(texts() | st.text(SAFE, max_size=70) | st.text(st.characters(max_codepoint=127)))
def test_whatever_passes_is_one_folder_and_one_word_of_a_shell(name: str) -> None:
    try:
        passed = check_name("name", name)
    except InputError:
        return
    assert passed == name
    assert len(name) <= 64
    assert shlex.quote(name) == name
    assert not name.startswith(("-", "."))
    assert (Path("home") / name).resolve().parent == Path("home").resolve()


@given(st.text(SAFE, min_size=1, max_size=64).filter(lambda name: name[0].isalnum()))
def test_every_name_of_safe_characters_passes(name: str) -> None:
    assert check_name("name", name) == name


def test_the_nearest_name_is_found_in_any_case_if_it_is_near() -> None:
    assert nearest("QESTION", ["answer", "question"]) == "question"
    assert nearest("zzz", ["answer", "question"]) == nearest("a", []) == ""
    assert nearest("quest", ["question"], cutoff=0.9) == ""
