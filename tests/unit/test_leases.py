"""When a dispatch is repeated, an agent replaced, a room recreated, a session ended."""

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from db.leases import Lease
from watch.leases import ASK_PAUSES_S, GRACE_S, LEFT_PAUSE_S, LOST_S, START_S, LeaseObserver

TICK_S = 0.5
STALE_S = 2.5
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LIVE = {"room": "RM_1"}
NEW = Lease(uuid4(), uuid4(), uuid4(), "room", "RM_1", 1, None, None, left=False, present=True)
TAKEN = replace(NEW, taken_at=NOW)


def with_heartbeat(lease: Lease, at: float) -> Lease:
    return replace(lease, taken_at=NOW, heartbeat_at=NOW + timedelta(seconds=at))


@dataclass
class Watch:
    """The rule with its own clock, advanced by the test."""

    leases: LeaseObserver
    at: float = 1000.0

    def look(
        self, lease: Lease | None, live: dict[str, str] | None = LIVE, after: float = TICK_S
    ) -> list[str]:
        """Evaluates the rule `after` seconds after the last time."""
        self.at += after
        return [
            verdict
            for _, verdict in self.leases.judge_leases([lease] if lease else [], live, self.at)
        ]

    def until(
        self, lease: Lease, limit_s: float, live: dict[str, str] | None = LIVE
    ) -> tuple[float, list[str]]:
        """Looks at an unchanged lease until something is due. Returns (seconds, verdicts)."""
        began = self.at
        while not (due := self.look(lease, live)) and self.at - began < limit_s:
            pass
        return self.at - began, due

    def live(self, lease: Lease, seconds: float) -> list[str]:
        """Looks at a live agent for some seconds."""
        found: list[str] = []
        for tick in range(int(seconds / TICK_S)):
            found += self.look(with_heartbeat(lease, self.at + tick))
        return found


@pytest.fixture
def watch() -> Watch:
    return Watch(LeaseObserver(STALE_S, 1.5 * TICK_S))


def test_agent_with_heartbeats_is_left_alone(watch: Watch) -> None:
    assert watch.live(NEW, 60) == []


def test_silent_agent_is_replaced_once(watch: Watch) -> None:
    watch.live(NEW, 10)
    silent = with_heartbeat(NEW, 5000)
    waited, due = watch.until(silent, 10)
    assert due == ["replace"]
    assert STALE_S < waited <= STALE_S + 2 * TICK_S
    assert watch.look(silent) == []


def test_clock_of_another_host_does_not_matter(watch: Watch) -> None:
    slow = [
        replace(with_heartbeat(NEW, 0), heartbeat_at=NOW - timedelta(hours=1, seconds=-n))
        for n in range(9)
    ]
    assert [watch.look(lease) for lease in slow] == [[]] * 9


def test_database_outage_makes_no_lease_stale(watch: Watch) -> None:
    watch.live(NEW, 10)
    silent = with_heartbeat(NEW, 5000)
    assert watch.look(silent) == []
    assert watch.look(silent, after=300) == []
    assert watch.look(silent) == []
    assert watch.look(with_heartbeat(NEW, 5001)) == []


def test_untaken_dispatch_is_repeated_soon_and_then_less_often(watch: Watch) -> None:
    watch.look(NEW)
    pauses = []
    for pause_s in (*ASK_PAUSES_S, ASK_PAUSES_S[-1]):
        waited, due = watch.until(NEW, 10)
        assert due == ["ask"]
        pauses.append(waited)
        assert pause_s < waited <= pause_s + TICK_S
    assert sum(pauses[:4]) < 11


def test_taken_dispatch_is_given_time_to_start(watch: Watch) -> None:
    watch.look(NEW)
    waited, due = watch.until(TAKEN, 20)
    assert due == ["replace"]
    assert START_S < waited <= START_S + 2 * TICK_S


def test_first_early_death_does_not_slow_the_replacement(watch: Watch) -> None:
    for epoch, seconds in ((1, 20), (2, 1), (3, 20)):
        agent = replace(NEW, epoch=epoch)
        watch.live(agent, seconds)
        waited, due = watch.until(with_heartbeat(agent, 9000 + epoch), 60)
        assert due == ["replace"]
        assert waited <= STALE_S + 2 * TICK_S


def test_agents_that_die_at_once_are_replaced_less_and_less_often(watch: Watch) -> None:
    waits = []
    for epoch in range(1, 9):
        agent = replace(NEW, epoch=epoch)
        watch.live(agent, 1)
        waited, due = watch.until(with_heartbeat(agent, 9000 + epoch), 60)
        assert due == ["replace"]
        waits.append(waited)
    assert waits[0] < 4
    assert all(earlier <= later for earlier, later in itertools.pairwise(waits))
    assert 30 < waits[-1] < 34


def test_a_long_life_makes_the_next_replacement_quick_again(watch: Watch) -> None:
    for epoch in (1, 2, 3):
        watch.live(replace(NEW, epoch=epoch), 1)
        watch.until(with_heartbeat(replace(NEW, epoch=epoch), 9000), 60)
    agent = replace(NEW, epoch=4)
    watch.live(agent, 20)
    watch.until(with_heartbeat(agent, 9000), 60)
    agent = replace(NEW, epoch=5)
    watch.live(agent, 20)
    waited, due = watch.until(with_heartbeat(agent, 9001), 60)
    assert due == ["replace"]
    assert waited <= STALE_S + 2 * TICK_S


def test_agent_that_left_on_purpose_is_replaced_at_once(watch: Watch) -> None:
    watch.live(NEW, 10)
    left = replace(with_heartbeat(NEW, 9000), left=True)
    assert watch.look(left) == ["replace"]
    assert len(watch.leases.waits_for_agent_s()) == 1
    assert watch.until(left, 10)[0] == LEFT_PAUSE_S + TICK_S


def test_empty_room_gets_no_agent(watch: Watch) -> None:
    alone = replace(NEW, present=False)
    watch.live(alone, 40)
    assert watch.until(with_heartbeat(alone, 9000), 60)[1] == []
    assert watch.until(replace(with_heartbeat(alone, 9000), present=True), 10)[1] == ["replace"]


def test_learner_about_to_join_gets_an_agent(watch: Watch) -> None:
    alone = replace(NEW, present=False)
    watch.look(alone)
    assert watch.until(alone, 10)[1] == ["ask"]


@pytest.mark.parametrize("live", [{}, {"room": "RM_2"}], ids=["gone", "another"])
def test_room_lost_with_learners_in_it_is_recreated(watch: Watch, live: dict[str, str]) -> None:
    watch.live(NEW, 10)
    waited, due = watch.until(with_heartbeat(NEW, 9000), 10, live)
    assert due == ["remake"]
    assert LOST_S < waited <= LOST_S + 2 * TICK_S


def test_session_of_a_closed_room_ends_after_a_while(watch: Watch) -> None:
    watch.live(replace(NEW, present=False), 10)
    waited, due = watch.until(replace(with_heartbeat(NEW, 9000), present=False), 60, {})
    assert due == ["end"]
    assert GRACE_S < waited <= GRACE_S + 2 * TICK_S


def test_nothing_is_due_while_the_media_server_does_not_respond(watch: Watch) -> None:
    watch.live(NEW, 10)
    assert watch.until(with_heartbeat(NEW, 9000), 60, None)[1] == []


def test_room_missing_after_a_media_server_restart_is_recreated_at_once(
    watch: Watch,
) -> None:
    watch.live(NEW, 10)
    left = replace(
        with_heartbeat(NEW, 9000), present=False
    )  # as reported by an agent that lost its connection
    watch.until(left, 3, None)
    assert watch.look(left, {}) == ["remake"]
    assert watch.look(left, {}) == []
    assert watch.until(left, 10, {})[1] == ["remake"]


def test_empty_room_is_not_recreated_after_a_media_server_restart(watch: Watch) -> None:
    alone = replace(with_heartbeat(NEW, 1), present=False)
    watch.look(alone)
    watch.until(alone, 3, None)
    assert watch.until(alone, 60, {})[1] == ["end"]


def test_wait_for_an_agent_counts_from_the_last_heartbeat(watch: Watch) -> None:
    watch.live(NEW, 10)
    assert watch.leases.waits_for_agent_s() == []
    silent = with_heartbeat(NEW, 9000)
    watch.until(silent, 10)
    assert watch.leases.waits_for_agent_s() == [STALE_S + TICK_S]
    watch.look(replace(NEW, epoch=2))
    assert watch.leases.waits_for_agent_s() == [STALE_S + 2 * TICK_S]
    watch.look(with_heartbeat(replace(NEW, epoch=2), 1))
    assert watch.leases.waits_for_agent_s() == []
    assert watch.leases.ended_waits == [STALE_S + 3 * TICK_S]
    watch.look(None)
    assert watch.leases.ended_waits == []


def test_empty_room_does_not_count_as_waiting(watch: Watch) -> None:
    watch.look(NEW)
    assert watch.leases.waits_for_agent_s() == [0.0]
    watch.look(replace(NEW, present=False))
    assert (watch.leases.waits_for_agent_s(), watch.leases.ended_waits) == ([], [])


def test_oldest_heartbeat_counts_live_agents_only(watch: Watch) -> None:
    other = replace(NEW, session_id=uuid4())
    for heartbeat_at in range(3):
        watch.at += TICK_S
        watch.leases.judge_leases(
            [with_heartbeat(NEW, heartbeat_at), with_heartbeat(other, 0)], LIVE, watch.at
        )
    assert watch.leases.oldest_heartbeat_s() == 2 * TICK_S
    for heartbeat_at in range(3, 9):
        watch.at += TICK_S
        watch.leases.judge_leases(
            [with_heartbeat(NEW, heartbeat_at), with_heartbeat(other, 0)], LIVE, watch.at
        )
    assert watch.leases.oldest_heartbeat_s() == 0.0
