"""A second opinion on every task, which shares no code with it."""

from collections.abc import Callable

from tests.test_arithmetic import check_arithmetic
from tests.test_high_card import check_duel, check_odds
from tunix_rt_nb.trace import Trace

ORACLES: dict[str, Callable[[Trace], list[str]]] = {
    "arithmetic": check_arithmetic,
    "high_card_duel": check_duel,
    "high_card_odds": check_odds,
}
