"""A second opinion on every task, which shares no code with it."""

from collections.abc import Callable

from tests.tasks import (
    test_arithmetic,
    test_countdown,
    test_counting,
    test_dates,
    test_family,
    test_gin,
    test_gsm_symbolic,
    test_high_card,
    test_logic,
    test_numbers,
    test_sorting,
    test_spades,
)
from tunix_rt_nb.trace.trace import Trace

ORACLES: dict[str, Callable[[Trace], list[str]]] = {
    "arithmetic": test_arithmetic.check_arithmetic,
    "high_card_duel": test_high_card.check_duel,
    "high_card_odds": test_high_card.check_odds,
    **test_countdown.ORACLES,
    **test_counting.ORACLES,
    **test_dates.ORACLES,
    **test_family.ORACLES,
    **test_gin.ORACLES,
    **test_gsm_symbolic.ORACLES,
    **test_logic.ORACLES,
    **test_numbers.ORACLES,
    **test_sorting.ORACLES,
    **test_spades.ORACLES,
}
