"""Progress of training and answering: what it says as time passes, and how it ends."""

import re
import time
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings, strategies as st
from nbval.plugin import get_sanitize_patterns  # type: ignore[import-untyped]

from tunix_rt_nb.host.paths import PROJECT
from tunix_rt_nb.report import answering_progress, training_progress
from tunix_rt_nb.report.curve import Curve, ticks


class Clock:
    """A clock that goes on only when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def train(told: object, first: int, last: int, clock: Clock, seconds: float = 0.5) -> None:
    """Reports steps that take so many seconds each."""
    for step in range(first, last + 1):
        clock.now += seconds
        told({"step": step, "loss": 8 / step, "tokens_per_second": 12_300})  # type: ignore[operator]


def test_training_is_compiled_then_counted_and_says_when_it_will_end(clock: Clock) -> None:
    with training_progress(2_400) as told:
        assert repr(told) == "compiling, 0 s"
        clock.now += 12
        told({"step": 0, "eval_loss": 7.1651})
        assert repr(told) == "compiling, 12 s"
        train(told, 1, 1, clock)
        assert repr(told) == "1/2,400  loss 8.0000  12,300 tokens/s  12 s"
        train(told, 2, 1_240, clock)
        assert repr(told) == "1,240/2,400  loss 0.0065  12,300 tokens/s  9 min 40 s left"
        clock.now += 20  # of a long step
        assert repr(told) == "1,240/2,400  loss 0.0065  12,300 tokens/s  9 min 20 s left"


def test_while_a_round_is_answered_its_answers_are_counted(clock: Clock) -> None:
    with training_progress(160) as told:
        told.answering(0, 1_024, 1, 4)
        clock.now += 8
        assert repr(told) == "round 1 of 4: 0/1,024 answers  8 s"
        told.answering(320, 1_024, 1, 4)
        assert repr(told) == "round 1 of 4: 320/1,024 answers  40 a second  17 s left"
        clock.now += 17.6
        told.answering(1_024, 1_024, 1, 4)
        clock.now += 4  # of grading and compiling
        assert repr(told) == "round 1 of 4: 1,024/1,024 answers  40 a second  29 s"
        told({"step": 0, "round": 1, "reward": 0.5})
        assert repr(told).startswith("round 1 of 4")
        train(told, 1, 40, clock)
        assert repr(told).startswith("40/160  loss 0.2624")
        told.answering(80, 1_024, 2, 4)
        assert repr(told) == "round 2 of 4: 80/1,024 answers  0 s"


def test_a_training_that_was_stopped_while_it_answered_says_how_far_it_was(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt), training_progress(160) as told:
        told.answering(80, 1_024, 1, 4)
        clock.now += 9
        raise KeyboardInterrupt
    assert capsys.readouterr().out == "round 1 of 4: 80/1,024 answers  in 9 s\n"


def test_the_last_line_says_how_long_it_took(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with training_progress(20) as told:
        train(told, 1, 20, clock)
    assert capsys.readouterr().out == "20/20  loss 0.7636  12,300 tokens/s  in 10 s\n"


def test_a_training_that_was_stopped_keeps_its_curve_and_a_whole_one_is_plotted_elsewhere(
    clock: Clock,
) -> None:
    with pytest.raises(KeyboardInterrupt), training_progress(20) as told:
        train(told, 1, 7, clock)
        raise KeyboardInterrupt
    assert repr(told) == "7/20  loss 2.0000  12,300 tokens/s  in 3 s"
    assert "<path" in told._repr_mimebundle_()["text/html"]
    train(told, 8, 20, clock)
    assert "<path" not in told._repr_mimebundle_()["text/html"]


def test_answers_are_counted_with_their_rate(clock: Clock) -> None:
    with answering_progress("before training", 480) as told:
        clock.now += 5
        assert repr(told) == "0/480 answered before training  5 s"
        told(80)
        clock.now += 8
        told(160)
        assert repr(told) == "160/480 answered before training  10 a second  32 s left"
        clock.now += 400
        told(161)
        assert " 0.2 a second  26 min 46 s left" in repr(told)


def test_answers_that_were_kept_count_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with answering_progress("after training", 480):
        pass
    assert capsys.readouterr().out == "480/480 answered after training  in 0 s\n"


def test_html_of_progress_is_well_formed_and_says_how_far_it_is_to_screen_readers() -> None:
    with answering_progress("<b>&", 48) as told:
        told(12)
        html = told._repr_mimebundle_()["text/html"]  # type: ignore[attr-defined]
    page = ElementTree.fromstring(html)
    [bar] = page.findall(".//*[@role='progressbar']")
    assert (bar.get("aria-valuenow"), bar.get("aria-valuemax")) == ("12", "48")
    assert bar[0].get("style") == "width:25.0%"
    assert "12/48 answered <b>&" in "".join(page.itertext())


def test_nbval_sees_no_difference_between_the_beginning_and_the_end(clock: Clock) -> None:
    patterns = get_sanitize_patterns((PROJECT / "tests/nbval.cfg").read_text())

    def sanitized(told: object) -> dict[str, str]:
        bundle = told._repr_mimebundle_()  # type: ignore[attr-defined]
        for regex, replace in patterns:
            bundle = {kind: re.sub(regex, replace, bundle[kind]) for kind in bundle}
        return dict(bundle)

    expected = dict.fromkeys(("text/plain", "text/html"), "PROGRESS")
    with training_progress(2_400) as told, answering_progress("after training", 480) as asked:
        assert sanitized(told) == sanitized(asked) == expected
        train(told, 1, 2_000, clock)
        asked(80)
        assert sanitized(told) == sanitized(asked) == expected
        train(told, 2_001, 2_400, clock)
    assert sanitized(told) == sanitized(asked) == expected


losses = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=50)
@given(
    st.integers(1, 10_000),
    st.lists(st.tuples(st.booleans(), st.floats(0, 1), losses), max_size=40),
)
def test_every_curve_is_well_formed_and_within_its_frame(
    steps: int, given: list[tuple[bool, float, float]]
) -> None:
    curve = Curve(steps)
    for held_out, share, loss in given:
        (curve.hold_out if held_out else curve.add)(round(share * steps), loss)
    html = curve.html()
    assert (
        not html or sum(1e-9 < abs(loss) < 1e9 for held_out, _, loss in given if not held_out) > 1
    )
    page = ElementTree.fromstring(f"<div>{html}</div>")
    for path in page.iter("path"):
        places = re.findall(r"[ML](\S+) ([^\sh]+)", str(path.get("d")))
        assert all(0 <= float(value) <= 100 for place in places for value in place)


def test_losses_that_are_not_positive_are_drawn_on_a_linear_scale() -> None:
    curve = Curve(20)
    for step in range(1, 21):
        curve.add(step, 0.52 - step / 20)
    html = curve.html()
    assert "on a linear scale" in html
    path, _ = ElementTree.fromstring(f"<div>{html}</div>").iter("path")
    heights = [float(place.split()[1]) for place in str(path.get("d"))[1:].split(" L")]
    assert heights == pytest.approx([8.3, 36.1, 63.9, 91.7], abs=0.1)


@given(st.floats(1e-12, 1e12), st.floats(1.3, 1e20))
def test_ticks_are_a_few_numbers_within_the_range(low: float, ratio: float) -> None:
    found = ticks(low, low * ratio)
    assert 2 <= len(found) <= 6
    assert found == sorted(found)
    assert all(low <= tick <= low * ratio for tick in found)
