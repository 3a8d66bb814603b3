"""Stays: when people were in a room, folded from the media server's events. No I/O.

All sources are merged by one rule, so that order and repeats do not matter: the earliest
`joined_at` wins, and the `left_at` of the highest source, then the latest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from db.local_inbox import MediaEvent

JOINED = "participant_joined"
LEFT = "participant_left"
FINISHED = "room_finished"

# who reported left_at; a higher one overrules a lower one
INFERRED, AGENT, SERVER = 0, 1, 2

HEARD_AFTER = timedelta(seconds=1)  # of presence before the end of what was said
MARGIN = timedelta(seconds=5)  # for clocks that differ, and for events in transit


@dataclass(frozen=True)
class Stay:
    sid: str
    room_sid: str
    identity: str
    joined_at: datetime
    left_at: datetime | None = None
    left_told: int = INFERRED


@dataclass(frozen=True)
class ParticipantRow:
    """The row of a stay in a session; `left_at` is None while the person is there."""

    session_id: UUID
    sid: str
    account_id: UUID
    joined_at: datetime
    left_at: datetime | None
    left_told: int = AGENT


@dataclass(frozen=True)
class SessionStretch:
    session_id: UUID
    room_sid: str
    started_at: datetime
    ended_at: datetime | None


def fold_stays(events: Iterable[MediaEvent]) -> list[Stay]:
    """The stays of people, in order of joining. Ignores agents.

    Order and repeats of the events do not matter: each event carries `joined_at`. The end of the
    room closes stays that are still open.
    """
    found: dict[str, Stay] = {}
    finished: dict[str, datetime] = {}
    for event in events:
        if event.name == FINISHED:
            finished[event.room_sid] = min(event.at, finished.get(event.room_sid, event.at))
        elif event.name in (JOINED, LEFT) and event.sid and not event.agent:
            stay = _stay_of(event)
            found[event.sid] = _merge_stays(found.get(event.sid, stay), stay)
    closed = (_closed_stay(one, finished.get(one.room_sid)) for one in found.values())
    return sorted(closed, key=lambda one: (one.joined_at, one.sid))


def _stay_of(event: MediaEvent) -> Stay:
    joined_at = event.joined_at or event.at
    one = Stay(event.sid, event.room_sid, event.identity, joined_at)
    if event.name == JOINED:
        return one
    return replace(one, left_at=max(event.at, joined_at), left_told=SERVER)


def _merge_stays(one: Stay, other: Stay) -> Stay:
    last = max(one, other, key=lambda c: (c.left_told, c.left_at or c.joined_at))
    return replace(last, joined_at=min(one.joined_at, other.joined_at))


def _closed_stay(one: Stay, finished_at: datetime | None) -> Stay:
    if one.left_at or finished_at is None:
        return one
    return replace(one, left_at=max(finished_at, one.joined_at))


def total_length(intervals: Iterable[tuple[datetime, datetime]]) -> timedelta:
    total, covered = timedelta(), None
    for start, end in sorted(intervals):
        begin = start if covered is None else max(start, covered)
        total += max(end - begin, timedelta())
        covered = end if covered is None else max(end, covered)
    return total


def participant_rows_of(
    stays: Iterable[Stay], stretches: Sequence[SessionStretch], accounts: Mapping[str, UUID]
) -> list[ParticipantRow]:
    """One row per stay and session it overlaps. Skips identities without an account."""
    return [
        ParticipantRow(
            session_id=stretch.session_id,
            sid=one.sid,
            account_id=accounts[one.identity],
            joined_at=one.joined_at,
            left_at=one.left_at,
            left_told=one.left_told,
        )
        for one in stays
        for stretch in stretches
        if one.identity in accounts and _overlaps_stretch(one, stretch)
    ]


def _overlaps_stretch(one: Stay, stretch: SessionStretch) -> bool:
    return (
        one.room_sid == stretch.room_sid
        and (stretch.ended_at is None or one.joined_at <= stretch.ended_at)
        and (one.left_at is None or stretch.started_at <= one.left_at + MARGIN)
    )
