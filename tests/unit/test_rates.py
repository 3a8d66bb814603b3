"""How often each participant may do something."""

import pytest

from agent.room.rates import PRUNE_ABOVE, RATES, Rates
from tests.unit.conftest import Clock


@pytest.fixture
def rates(clock: Clock) -> Rates:
    return Rates(clock)


def test_a_burst_is_allowed_then_one_at_a_time(rates: Rates, clock: Clock) -> None:
    burst, every_s = RATES["turn"].burst, RATES["turn"].every_s
    assert [rates.allow("l_amina", "turn") for _ in range(burst + 1)] == [True] * burst + [False]
    assert rates.wait_s("l_amina", "turn") == pytest.approx(every_s)
    clock.now += every_s
    assert [rates.allow("l_amina", "turn") for _ in range(2)] == [True, False]


def test_the_burst_is_free_again_after_a_pause(rates: Rates, clock: Clock) -> None:
    burst, every_s = RATES["turn"].burst, RATES["turn"].every_s
    for _ in range(burst):
        rates.allow("l_amina", "turn")
    clock.now += burst * every_s
    assert all(rates.allow("l_amina", "turn") for _ in range(burst))


def test_others_and_other_kinds_count_apart(rates: Rates) -> None:
    while rates.allow("l_mallory", "turn"):
        pass
    assert rates.allow("l_amina", "turn")
    assert rates.allow("l_mallory", "speech")


def test_a_refused_attempt_costs_nothing(rates: Rates, clock: Clock) -> None:
    while rates.allow("l_mallory", "turn"):
        pass
    for _ in range(100):
        rates.allow("l_mallory", "turn")
    clock.now += RATES["turn"].every_s
    assert rates.allow("l_mallory", "turn")


def test_a_reservation_waits_for_its_time(rates: Rates) -> None:
    burst, every_s = RATES["lesson"].burst, RATES["lesson"].every_s
    waits = [rates.reserve("l_amina", "lesson") for _ in range(burst + 2)]
    assert waits == [0.0] * burst + [pytest.approx(every_s), pytest.approx(2 * every_s)]


def test_identities_that_do_nothing_more_are_forgotten(rates: Rates, clock: Clock) -> None:
    for number in range(10 * PRUNE_ABOVE):
        rates.allow(f"l_{number}", "turn")
        clock.now += RATES["turn"].every_s
    assert len(rates._full_at) <= PRUNE_ABOVE + 1
