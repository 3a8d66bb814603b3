"""Who was in a session, and when. Owns livekit_participants.

Rows are merged by the rule in `db.stays`. The log has one join and at most one departure per
connection, even if the connection is reopened later. Somebody who joins again and again fills rows,
which can be deleted, but not the log: connections beyond MOST_JOINS in a minute are logged only if
they last. Rows are locked by session and sid, before the head of a log.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from db import Connection
from db.accounts import list_identities_by_id, list_ids_by_identity
from db.erasures import list_erased_ids
from db.event_kinds import ParticipantJoined, ParticipantLeft
from db.events import append_event, lock_log_and_check_event
from db.stays import INFERRED, MARGIN, ParticipantRow, SessionStretch, Stay, total_length

MOST_JOINS = 10  # of one person in a minute that are all logged
CLOCKS = timedelta(seconds=2)  # the media server reports whole seconds


@dataclass(frozen=True)
class Present:
    session_id: UUID
    room_name: str
    identity: str


async def list_blocked_present(db: Connection, tenant_id: UUID) -> list[Present]:
    rows = await db.fetch(
        """select distinct s.id as session_id, r.name as room_name, a.identity
           from livekit_participants p
           join accounts a on a.tenant_id = p.tenant_id and a.id = p.account_id
           join sessions s on s.tenant_id = p.tenant_id and s.id = p.session_id
           join livekit_rooms r on r.tenant_id = s.tenant_id and r.id = s.room_id
           where p.tenant_id = $1 and p.left_at is null and a.blocked_at is not null
           order by r.name, a.identity""",
        tenant_id,
    )
    return [Present(**row) for row in rows]


async def list_attendance_durations(
    db: Connection, tenant_id: UUID, session_id: UUID, now: datetime
) -> dict[UUID, timedelta]:
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
        account_id: total_length(
            (row["came_at"], max(row["came_at"], row["went_at"])) for row in group
        )
        for account_id, group in groupby(rows, key=lambda row: row["account_id"])
    }


async def is_session_occupied(db: Connection, tenant_id: UUID, session_id: UUID) -> bool:
    occupied: bool = await db.fetchval(
        """select exists (select from livekit_participants
                          where tenant_id = $1 and session_id = $2 and left_at is null)""",
        tenant_id,
        session_id,
    )
    return occupied


async def list_present_names(
    db: Connection, tenant_id: UUID, session_id: UUID, *, except_account_id: UUID
) -> list[str]:
    """Who is in the session now apart from one account, in the order in which they came."""
    rows = await db.fetch(
        """select a.name from livekit_participants p
           join accounts a on a.tenant_id = p.tenant_id and a.id = p.account_id
           where p.tenant_id = $1 and p.session_id = $2 and p.left_at is null
             and p.account_id <> $3
           group by a.id, a.name order by min(p.joined_at), a.id""",
        tenant_id,
        session_id,
        except_account_id,
    )
    return [row["name"] for row in rows]


async def was_present(
    db: Connection,
    tenant_id: UUID,
    session_id: UUID,
    account_id: UUID,
    at: datetime,
    margin: timedelta,
) -> bool:
    """Whether the account was in the session at `at`, or left less than `margin` before.

    Also True if no earlier connection is known: its event may still be in transit.
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


async def list_session_stretches(
    db: Connection, tenant_id: UUID, room_sids: Collection[str]
) -> list[SessionStretch]:
    rows = await db.fetch(
        """select r.session_id, r.room_sid, s.started_at, s.ended_at
           from session_rooms r
           join sessions s on s.tenant_id = r.tenant_id and s.id = r.session_id
           where r.tenant_id = $1 and r.room_sid = any($2)""",
        tenant_id,
        sorted(room_sids),
    )
    return [SessionStretch(**row) for row in rows]


async def upsert_participants(
    db: Connection, tenant_id: UUID, rows: Iterable[ParticipantRow]
) -> None:
    """Stores joins and departures, in any order and with repeats. Logs each once.

    Ignores those of erased accounts and sessions.
    """
    rows = list(rows)
    owners = [owner for row in rows for owner in (row.session_id, row.account_id)]
    gone = await list_erased_ids(db, tenant_id, owners)
    rows = [row for row in rows if not {row.session_id, row.account_id} & gone]
    await _upsert_stays(db, tenant_id, rows)
    await _append_join_and_leave_events(db, tenant_id, rows)


async def upsert_late_participants(
    db: Connection, tenant_id: UUID, rows: Sequence[ParticipantRow]
) -> None:
    """Like `upsert_participants`, and closes open stays of sessions that have ended."""
    await _upsert_stays(db, tenant_id, rows)
    closed = await _close_stays_without_logging(db, tenant_id)
    await _append_join_and_leave_events(db, tenant_id, [*rows, *closed])


async def close_stays_of_ended_sessions(db: Connection, tenant_id: UUID) -> None:
    await _append_join_and_leave_events(
        db, tenant_id, await _close_stays_without_logging(db, tenant_id)
    )


async def close_stays_of_session(
    db: Connection, tenant_id: UUID, session_id: UUID, ended_at: datetime
) -> None:
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
    await _append_join_and_leave_events(db, tenant_id, [ParticipantRow(**row) for row in rows])


async def reconcile_stays(
    db: Connection,
    tenant_id: UUID,
    session_id: UUID,
    present: Sequence[Stay],
    at: datetime,
) -> int:
    """Corrects attendance to who was present at `at`. Returns how many stays it closed.

    Reopens the stays of people who are still there: an agent that loses its own connection reports
    everybody as departed.
    """
    accounts = await list_ids_by_identity(db, tenant_id, {one.identity for one in present})
    here = [
        ParticipantRow(session_id, one.sid, accounts[one.identity], one.joined_at, None)
        for one in present
        if one.identity in accounts
    ]
    sids = [one.sid for one in present]
    await _lock_stays(db, tenant_id, session_id)
    await _upsert_stays(db, tenant_id, here)
    await _reopen_stays(db, tenant_id, session_id, sids, at)
    gone = await _close_stays_of_absent(db, tenant_id, session_id, sids, at)
    await _append_events_of_stays(db, tenant_id, here)
    await _append_join_and_leave_events(db, tenant_id, gone)
    return len(gone)


async def _lock_stays(db: Connection, tenant_id: UUID, session_id: UUID) -> None:
    """Locks the rows of a session, in order, before several statements change them."""
    await db.execute(
        """select from livekit_participants where tenant_id = $1 and session_id = $2
           order by sid for update""",
        tenant_id,
        session_id,
    )


async def _upsert_stays(db: Connection, tenant_id: UUID, rows: Iterable[ParticipantRow]) -> None:
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
            for row in sorted(rows, key=_lock_order)
        ],
    )


async def _close_stays_without_logging(db: Connection, tenant_id: UUID) -> list[ParticipantRow]:
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
    return [ParticipantRow(**row) for row in rows]


async def _reopen_stays(
    db: Connection, tenant_id: UUID, session_id: UUID, sids: Sequence[str], at: datetime
) -> None:
    await db.execute(
        """update livekit_participants set left_at = null, left_told = 0
           where tenant_id = $1 and session_id = $2 and left_at < $4 and sid = any($3)""",
        tenant_id,
        session_id,
        sids,
        at - MARGIN,
    )


async def _close_stays_of_absent(
    db: Connection, tenant_id: UUID, session_id: UUID, sids: Sequence[str], at: datetime
) -> list[ParticipantRow]:
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
    return [ParticipantRow(**row) for row in rows]


async def _append_join_and_leave_events(
    db: Connection, tenant_id: UUID, rows: Iterable[ParticipantRow]
) -> None:
    """Logs connections, except those that followed too many others of the same person."""
    rows = list(rows)
    too_frequent = await _list_too_frequent_sids(db, tenant_id, rows)
    logged = [
        row
        for row in rows
        if row.sid not in too_frequent
        or await lock_log_and_check_event(db, tenant_id, row.session_id, f"joined:{row.sid}")
    ]
    await _append_events_of_stays(db, tenant_id, logged)


async def _list_too_frequent_sids(
    db: Connection, tenant_id: UUID, rows: Sequence[ParticipantRow]
) -> set[str]:
    """The sids of connections that began after MOST_JOINS others of the person in a minute."""
    found = await db.fetch(
        """select distinct sid from (
             select sid, count(*) over (
               partition by session_id, account_id order by joined_at
               range between interval '1 minute' preceding and current row) as joins
             from livekit_participants where tenant_id = $1 and session_id = any($2)
           ) counted
           where joins > $3 and sid = any($4)""",
        tenant_id,
        sorted({row.session_id for row in rows}),
        MOST_JOINS,
        sorted({row.sid for row in rows}),
    )
    return {row["sid"] for row in found}


async def _append_events_of_stays(
    db: Connection, tenant_id: UUID, rows: Iterable[ParticipantRow]
) -> None:
    """Logs a join before its departure, which may have been stored first."""
    ordered = sorted(rows, key=_lock_order)
    identities = await list_identities_by_id(db, tenant_id, {row.account_id for row in ordered})
    for row in ordered:
        session_id, identity, sid = row.session_id, identities[row.account_id], row.sid
        joined = ParticipantJoined(identity=identity, sid=sid)
        await append_event(db, tenant_id, session_id, joined, row.joined_at, key=f"joined:{sid}")
        if row.left_at is not None:
            left = ParticipantLeft(identity=identity, sid=sid)
            await append_event(db, tenant_id, session_id, left, row.left_at, key=f"left:{sid}")


def _lock_order(row: ParticipantRow) -> tuple[UUID, str]:
    """All code locks rows and heads in this order."""
    return (row.session_id, row.sid)
