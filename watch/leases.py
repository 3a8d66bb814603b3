"""Decides when an agent counts as lost, only from what the watcher observed.

Times are seconds of a clock that stops while the database cannot be read, so neither an outage nor
the clocks of other hosts make a lease look old.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from db.leases import Lease

Verdict = Literal["ask", "replace", "remake", "end"]

# a free worker takes a dispatch within 0.3 s; in a burst it takes a few at a time, and one that
# died is back within seconds
ASK_PAUSES_S = (0.4,) * 8 + (1.0,) * 16 + (2.0, 5.0)
START_S = 10.0  # from taking a dispatch to the first heartbeat, on a busy host
LOST_S = 2.0  # if the session of a missing room has not ended by then, the room was lost
GRACE_S = 30.0  # until the session of an empty room that no longer exists ends
COMING_S = 30.0  # after a dispatch, for a learner with a token to join
LEFT_PAUSE_S = 1.0  # between attempts to replace an agent that left on purpose
LIVED_S = 2.0  # an agent that lived this long did not die at startup
LONGEST_PAUSE_S = 30.0  # between agents that die at startup


@dataclass
class ObservedLease:
    """What was observed of one lease; times are by the clock of `LeaseObserver`."""

    lease: Lease
    since: float  # the last change of the lease
    epoch_since: float
    asked: float
    asks: int = 0  # in this epoch
    replaced: float = float("-inf")
    first_heartbeat: float | None = None
    short_lives: int = 0  # agents in a row that died at startup
    occupied: bool = False  # somebody was in the room when it was last seen
    unseen: bool = False  # the media server has not responded since
    gone_since: float | None = None  # since when a responding media server lacks the room
    alone_since: float | None = None  # since when a learner has been without a live agent


class LeaseObserver:
    def __init__(self, stale_s: float, longest_look_s: float) -> None:
        """A lease is stale `stale_s` after its last heartbeat.

        The clock advances at most `longest_look_s` between two looks.
        """
        self._stale_s = stale_s
        self._longest_look_s = longest_look_s
        self._seen: dict[UUID, ObservedLease] = {}
        self.ended_waits: list[float] = []  # ended since the last look
        self._looked: float | None = None
        self._now = 0.0

    def judge_leases(
        self, leases: Iterable[Lease], live: Mapping[str, str] | None, at: float
    ) -> list[tuple[Lease, Verdict]]:
        """Returns the due verdicts and counts them as done. `at` is monotonic.

        `live` maps room names to sids. None means that the media server does not
        respond; nothing is due then.
        """
        if self._looked is not None:
            self._now += min(at - self._looked, self._longest_look_s)
        self._looked = at
        known, self._seen, self.ended_waits = self._seen, {}, []
        due: list[tuple[Lease, Verdict]] = []
        for lease in leases:
            seen = self._observe_lease(known.get(lease.session_id), lease)
            self._seen[lease.session_id] = seen
            if live is None:
                seen.unseen = True
                continue
            verdict = self._judge_lease(seen, live.get(lease.room_name))
            if verdict is not None:
                self._record_verdict(seen, verdict)
                due.append((lease, verdict))
        return due

    def waits_for_agent_s(self) -> list[float]:
        since = [one.alone_since for one in self._seen.values()]
        return [self._now - at for at in since if at is not None]

    def oldest_heartbeat_s(self) -> float:
        living = [one for one in self._seen.values() if self._has_live_agent(one)]
        return max((self._now - one.since for one in living), default=0.0)

    def _observe_lease(self, seen: ObservedLease | None, lease: Lease) -> ObservedLease:
        now = self._now
        if seen is None:
            seen = ObservedLease(lease, since=now, epoch_since=now, asked=now)
        if seen.lease.epoch != lease.epoch:
            seen.epoch_since = seen.asked = now
            seen.asks, seen.first_heartbeat = 0, None
        if _signs_of_life(seen.lease) != _signs_of_life(lease):
            seen.since = now
        if lease.heartbeat_at is not None and seen.first_heartbeat is None:
            seen.first_heartbeat = now
        seen.lease = lease
        self._observe_wait_for_agent(seen)
        return seen

    def _observe_wait_for_agent(self, seen: ObservedLease) -> None:
        """Counts the wait for an agent from the last heartbeat."""
        if not seen.lease.present or self._has_live_agent(seen):
            if seen.alone_since is not None and seen.lease.present:
                self.ended_waits.append(self._now - seen.alone_since)
            seen.alone_since = None
        elif seen.alone_since is None:
            seen.alone_since = seen.since

    def _judge_lease(self, seen: ObservedLease, live_sid: str | None) -> Verdict | None:
        lease = seen.lease
        if live_sid != lease.room_sid:
            return self._judge_missing_room(seen)
        seen.gone_since, seen.unseen, seen.occupied = None, False, lease.present
        if not lease.present and self._now - seen.epoch_since > COMING_S:
            return None
        if lease.heartbeat_at is None and lease.taken_at is None:
            pause = ASK_PAUSES_S[min(seen.asks, len(ASK_PAUSES_S) - 1)]
            return "ask" if self._now - seen.asked > pause else None
        return "replace" if self._is_stale(seen) else None

    def _judge_missing_room(self, seen: ObservedLease) -> Verdict | None:
        """Goes by the last known occupancy: a disconnected agent reports everybody as departed."""
        if seen.gone_since is None:
            seen.gone_since = self._now
        gone_s = self._now - seen.gone_since
        if seen.lease.present or seen.occupied:
            return "remake" if seen.unseen or gone_s > LOST_S else None
        return "end" if gone_s > GRACE_S else None

    def _has_live_agent(self, seen: ObservedLease) -> bool:
        lease = seen.lease
        alive = lease.heartbeat_at is not None and self._now - seen.since <= self._stale_s
        return alive and not lease.left

    def _is_stale(self, seen: ObservedLease) -> bool:
        if seen.lease.left:
            return self._now - seen.replaced > LEFT_PAUSE_S
        limit = START_S if seen.lease.heartbeat_at is None else self._stale_s
        return self._now - max(seen.since, seen.replaced) > limit + _startup_pause_s(
            seen.short_lives
        )

    def _record_verdict(self, seen: ObservedLease, verdict: Verdict) -> None:
        """Keeps a verdict from being repeated before it can take effect."""
        if verdict == "ask":
            seen.asks += 1
            seen.asked = self._now
        elif verdict == "replace":
            lived = seen.first_heartbeat is not None and seen.since - seen.first_heartbeat > LIVED_S
            seen.short_lives = 0 if lived else seen.short_lives + 1
            seen.replaced = self._now
        else:
            seen.gone_since, seen.unseen = self._now, False


def _signs_of_life(lease: Lease) -> tuple[object, ...]:
    return lease.epoch, lease.taken_at, lease.heartbeat_at, lease.room_sid


def _startup_pause_s(short_lives: int) -> float:
    """The pause between agents that die at startup. The first death may be an accident."""
    doublings = min(short_lives - 2, 5)
    return min(2.0**doublings, LONGEST_PAUSE_S) if doublings >= 0 else 0.0
