"""Stays, computed from the media server's events in any order, with repeats and losses."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.stays import LEFT, fold_stays, total_length
from tests.db.attendance_parts import CLOSED_S, recorded, seen, shuffled, truth
from tests.db.rows import at
from tests.soak import SOAK

CASES = 20_000 if SOAK else 500


def bounded(test: Callable[..., Any]) -> Any:
    return settings(
        max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )(test)


@bounded
@given(st.randoms(use_true_random=False))
def test_order_repeats_and_lost_joins_do_not_matter(random: Random) -> None:
    assert seen(fold_stays(shuffled(random))) == truth()


@bounded
@given(st.randoms(use_true_random=False))
def test_lost_departure_extends_the_stay_to_the_end_of_the_room(random: Random) -> None:
    events = recorded()
    lost = {event.sid for event in events if event.name == LEFT and random.random() < 0.5}
    kept = [event for event in events if not (event.name == LEFT and event.sid in lost)]
    random.shuffle(kept)
    expected = [
        (sid, who, came, CLOSED_S if sid in lost else went) for sid, who, came, went in truth()
    ]
    assert seen(fold_stays(kept)) == expected


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([], 0),
        ([(0, 10)], 10),
        ([(0, 10), (10, 20)], 20),
        ([(0, 10), (5, 7)], 10),
        ([(5, 7), (0, 6), (20, 21)], 8),
        ([(3, 3)], 0),
    ],
)
def test_length_of_overlapping_intervals(intervals: list[tuple[int, int]], expected: int) -> None:
    moments = [(at(start), at(end)) for start, end in intervals]
    assert total_length(moments) == timedelta(seconds=expected)
