"""Who was in a session, and when. Owns livekit_participants, and the fold of the server's events.

Every source writes by the same rule, a join of a lattice, so that order and repeats change nothing:
the earliest `joined_at` holds; of `left_at` the one told by the highest source, then the latest.

Each connection is logged once, as it is stored first: who is opened again stays gone in the log.
A statement locks rows in the order of session and sid, and no head of a log is taken before.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from db import Connection as Database
from db.accounts import list_account_ids
from db.event_kinds import ParticipantJoined, ParticipantLeft
from db.events import append_event
from db.inbox import Event

JOINED = "participant_joined"
LEFT = "participant_left"
FINISHED = "room_finished"

# who told left_at
INFERRED, AGENT, SERVER = 0, 1, 2

CLOCKS = timedelta(seconds=2)  # the media server tells whole seconds
MARGIN = timedelta(seconds=5)  # clocks of two hosts, and events on their way while a list is made


@dataclass(frozen=True)
class Connection:
    """One connection of a person to a LiveKit room, as far as events tell."""

    sid: str
    room_sid: str
    identity: str
    joined_at: datetime
    left_at: datetime | None = None
    left_told: int = INFERRED


@dataclass(frozen=True)
class Participant:
    """One connection of a person to a session; `left_at` is None while they are there."""

    session_id: UUID
    sid: str
    account_id: UUID
    joined_at: datetime
    left_at: datetime | None
    left_told: int = AGENT


@dataclass(frozen=True)
class Stretch:
    """When a session ran in a LiveKit room; `ended_at` is None while it does."""

    session_id: UUID
    room_sid: str
    started_at: datetime
    ended_at: datetime | None


def fold(events: Iterable[Event]) -> list[Connection]:
    """The connections of people, in order of joining; agents are not attendance.

    Order and repeats of the events change nothing, and each event alone tells `joined_at`. A room
    that finished closes what was left open in it.
    """
    found: dict[str, Connection] = {}
    finished: dict[str, datetime] = {}
    for event in events:
        if event.name == FINISHED:
            finished[event.room_sid] = min(event.at, finished.get(event.room_sid, event.at))
        elif event.name in (JOINED, LEFT) and event.sid and not event.agent:
            told = _told(event)
            found[event.sid] = _merge(found.get(event.sid, told), told)
    closed = (_close(one, finished.get(one.room_sid)) for one in found.values())
    return sorted(closed, key=lambda one: (one.joined_at, one.sid))


def _told(event: Event) -> Connection:
    joined_at = event.joined_at or event.at
    one = Connection(event.sid, event.room_sid, event.identity, joined_at)
    if event.name == JOINED:
        return one
    return replace(one, left_at=max(event.at, joined_at), left_told=SERVER)


def _merge(one: Connection, other: Connection) -> Connection:
    last = max(one, other, key=lambda c: (c.left_told, c.left_at or c.joined_at))
    return replace(last, joined_at=min(one.joined_at, other.joined_at))


def _close(one: Connection, finished_at: datetime | None) -> Connection:
    if one.left_at or finished_at is None:
        return one
    return replace(one, left_at=max(finished_at, one.joined_at))


def length(intervals: Iterable[tuple[datetime, datetime]]) -> timedelta:
    """Length of the union of intervals, each from earlier to later."""
    total, covered = timedelta(), None
    for start, end in sorted(intervals):
        begin = start if covered is None else max(start, covered)
        total += max(end - begin, timedelta())
        covered = end if covered is None else max(end, covered)
    return total


def durations(connections: Iterable[Connection], now: datetime) -> dict[str, timedelta]:
    """How long each identity was there; who is there still counts until `now`."""
    by_person = sorted(connections, key=lambda one: one.identity)
    return {
        identity: length((one.joined_at, one.left_at or max(now, one.joined_at)) for one in group)
        for identity, group in groupby(by_person, key=lambda one: one.identity)
    }


async def list_durations(
    db: Database, tenant_id: UUID, session_id: UUID, now: datetime
) -> dict[UUID, timedelta]:
    """How long each account was in a session, within its start and end."""
    rows = await db.fetch(
        """select p.account_id, greatest(p.joined_at, s.started_at) as came_at,
                  least(coalesce(p.left_at, $3), coalesce(s.ended_at, $3)) as went_at
           from livekit_participants p
           join sessions s on s.tenant_id = p.tenant_id and s.id = p.session_id
           where p.tenant_id = $1 and p.session_id = $2 order by p.account_id""",
        tenant_id,
        session_id,
        now,
    )
    return {
        account_id: length((row["came_at"], max(row["came_at"], row["went_at"])) for row in group)
        for account_id, group in groupby(rows, key=lambda row: row["account_id"])
    }


async def is_occupied(db: Database, tenant_id: UUID, session_id: UUID) -> bool:
    """Whether somebody is in the session, as far as was told."""
    occupied: bool = await db.fetchval(
        """select exists (select from livekit_participants
                          where tenant_id = $1 and session_id = $2 and left_at is null)""",
        tenant_id,
        session_id,
    )
    return occupied


async def was_present(
    db: Database,
    tenant_id: UUID,
    session_id: UUID,
    account_id: UUID,
    at: datetime,
    margin: timedelta,
) -> bool:
    """Whether the account was in the session at that moment, or left less than `margin` before.

    True also where no connection before it is known: it may still be on its way here.
    """
    present: bool = await db.fetchval(
        """select coalesce(bool_or(left_at is null or left_at > $5), true)
           from livekit_participants
           where tenant_id = $1 and session_id = $2 and account_id = $3 and joined_at < $4""",
        tenant_id,
        session_id,
        account_id,
        at - CLOCKS,
        at - margin,
    )
    return present


async def list_stretches(
    db: Database, tenant_id: UUID, room_sids: Collection[str]
) -> list[Stretch]:
    """The sessions that were held in these LiveKit rooms."""
    rows = await db.fetch(
        """select r.session_id, r.room_sid, s.started_at, s.ended_at
           from session_rooms r
           join sessions s on s.tenant_id = r.tenant_id and s.id = r.session_id
           where r.tenant_id = $1 and r.room_sid = any($2)""",
        tenant_id,
        sorted(room_sids),
    )
    return [Stretch(**row) for row in rows]


def place(
    connections: Iterable[Connection], stretches: Sequence[Stretch], accounts: Mapping[str, UUID]
) -> list[Participant]:
    """Rows of the connections: one for each session they overlap, none without an account."""
    return [
        Participant(
            session_id=stretch.session_id,
            sid=one.sid,
            account_id=accounts[one.identity],
            joined_at=one.joined_at,
            left_at=one.left_at,
            left_told=one.left_told,
        )
        for one in connections
        for stretch in stretches
        if one.identity in accounts and _overlaps(one, stretch)
    ]


def _overlaps(one: Connection, stretch: Stretch) -> bool:
    """Whether somebody was in a room while the session ran in it."""
    return (
        one.room_sid == stretch.room_sid
        and (stretch.ended_at is None or one.joined_at <= stretch.ended_at)
        and (one.left_at is None or stretch.started_at <= one.left_at + MARGIN)
    )


async def upsert_participants(db: Database, tenant_id: UUID, rows: Iterable[Participant]) -> None:
    """Stores joins and departures in any order, each as often as it comes; logs each once."""
    rows = list(rows)
    await _upsert(db, tenant_id, rows)
    await _log(db, tenant_id, rows)


async def upsert_told(db: Database, tenant_id: UUID, rows: Sequence[Participant]) -> None:
    """The same for what may be told late: who is open in a session that ended left with it."""
    await _upsert(db, tenant_id, rows)
    closed = await _close_ended(db, tenant_id)
    await _log(db, tenant_id, [*rows, *closed])


async def close_ended(db: Database, tenant_id: UUID) -> None:
    """Who is open in a session that ended left with it: their departure was lost, or comes yet."""
    await _log(db, tenant_id, await _close_ended(db, tenant_id))


async def close_session(
    db: Database, tenant_id: UUID, session_id: UUID, ended_at: datetime
) -> None:
    """Who is open in the session leaves with its end."""
    rows = await db.fetch(
        """with open as (
             select sid from livekit_participants
             where tenant_id = $1 and session_id = $2 and left_at is null
             order by sid for update
           )
           update livekit_participants p set left_at = greatest($3, p.joined_at)
           from open where p.tenant_id = $1 and p.session_id = $2 and p.sid = open.sid
           returning p.session_id, p.sid, p.account_id, p.joined_at, p.left_at, p.left_told""",
        tenant_id,
        session_id,
        ended_at,
    )
    await _log(db, tenant_id, [Participant(**row) for row in rows])


async def reconcile(
    db: Database,
    tenant_id: UUID,
    session_id: UUID,
    present: Sequence[Connection],
    at: datetime,
) -> int:
    """Makes attendance agree with who was present at that moment; how many rows were closed.

    Whoever was closed but is there is opened again: an agent that loses its own connection takes
    everybody for gone.
    """
    accounts = await list_account_ids(db, tenant_id, {one.identity for one in present})
    here = [
        Participant(session_id, one.sid, accounts[one.identity], one.joined_at, None)
        for one in present
        if one.identity in accounts
    ]
    sids = [one.sid for one in present]
    await _lock_session(db, tenant_id, session_id)
    await _upsert(db, tenant_id, here)
    await _reopen(db, tenant_id, session_id, sids, at)
    gone = await _close_absent(db, tenant_id, session_id, sids, at)
    await _log(db, tenant_id, [*here, *gone])
    return len(gone)


async def _lock_session(db: Database, tenant_id: UUID, session_id: UUID) -> None:
    """The rows of a session, in order, before several statements change them."""
    await db.execute(
        """select from livekit_participants where tenant_id = $1 and session_id = $2
           order by sid for update""",
        tenant_id,
        session_id,
    )


async def _upsert(db: Database, tenant_id: UUID, rows: Iterable[Participant]) -> None:
    await db.executemany(
        """insert into livekit_participants as p
             (tenant_id, session_id, sid, account_id, joined_at, left_at, left_told)
           values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (tenant_id, session_id, sid) do update set
             joined_at = least(p.joined_at, excluded.joined_at),
             left_at = case when excluded.left_told > p.left_told then excluded.left_at
                            when excluded.left_told < p.left_told then p.left_at
                            else greatest(p.left_at, excluded.left_at) end,
             left_told = greatest(p.left_told, excluded.left_told)""",
        [
            (
                tenant_id,
                row.session_id,
                row.sid,
                row.account_id,
                row.joined_at,
                row.left_at,
                row.left_told if row.left_at else INFERRED,
            )
            for row in sorted(rows, key=_order)
        ],
    )


async def _close_ended(db: Database, tenant_id: UUID) -> list[Participant]:
    rows = await db.fetch(
        """with open as (
             select p.session_id, p.sid, s.ended_at from livekit_participants p
             join sessions s on s.tenant_id = p.tenant_id and s.id = p.session_id
             where p.tenant_id = $1 and p.left_at is null and s.ended_at is not null
             order by p.session_id, p.sid for update of p
           )
           update livekit_participants p set left_at = greatest(open.ended_at, p.joined_at)
           from open
           where p.tenant_id = $1 and p.session_id = open.session_id and p.sid = open.sid
           returning p.session_id, p.sid, p.account_id, p.joined_at, p.left_at, p.left_told""",
        tenant_id,
    )
    return [Participant(**row) for row in rows]


async def _reopen(
    db: Database, tenant_id: UUID, session_id: UUID, sids: Sequence[str], at: datetime
) -> None:
    await db.execute(
        """update livekit_participants set left_at = null, left_told = 0
           where tenant_id = $1 and session_id = $2 and left_at < $4 and sid = any($3)""",
        tenant_id,
        session_id,
        sids,
        at - MARGIN,
    )


async def _close_absent(
    db: Database, tenant_id: UUID, session_id: UUID, sids: Sequence[str], at: datetime
) -> list[Participant]:
    rows = await db.fetch(
        """update livekit_participants set left_at = $4
           where tenant_id = $1 and session_id = $2 and left_at is null
             and joined_at < $5 and not sid = any($3)
           returning session_id, sid, account_id, joined_at, left_at, left_told""",
        tenant_id,
        session_id,
        sids,
        at,
        at - MARGIN,
    )
    return [Participant(**row) for row in rows]


async def _log(db: Database, tenant_id: UUID, rows: Iterable[Participant]) -> None:
    """A departure is never logged before its join, though it may be stored before."""
    for row in sorted(rows, key=_order):
        session_id, account_id, sid = row.session_id, row.account_id, row.sid
        joined = ParticipantJoined(account_id=account_id, sid=sid)
        await append_event(db, tenant_id, session_id, joined, row.joined_at, key=f"joined:{sid}")
        if row.left_at is not None:
            left = ParticipantLeft(account_id=account_id, sid=sid)
            await append_event(db, tenant_id, session_id, left, row.left_at, key=f"left:{sid}")


def _order(row: Participant) -> tuple[UUID, str]:
    """The order in which all lock rows, and take heads."""
    return (row.session_id, row.sid)
