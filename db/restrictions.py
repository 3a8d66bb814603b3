"""People whom a teacher removed from a session or muted in it. Owns room_restrictions."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from db import Connection
from db.accounts import Account
from db.event_kinds import ParticipantReleased, ParticipantRestricted
from db.events import append_event
from protocol import Role

RestrictionKind = Literal["removed", "muted"]


@dataclass(frozen=True)
class Restriction:
    identity: str
    name: str
    kind: RestrictionKind
    since: datetime


@dataclass(frozen=True)
class RestrictedPresent:
    session_id: UUID
    room_name: str
    identity: str
    kind: RestrictionKind


async def upsert_restriction(
    db: Connection,
    tenant_id: UUID,
    session_id: UUID,
    learner: Account,
    kind: RestrictionKind,
    *,
    by: Account,
    now: datetime,
) -> None:
    """Removes or mutes the learner, and logs it. A repeat changes nothing."""
    changed = await db.fetchval(
        """insert into room_restrictions as r
             (tenant_id, session_id, account_id, kind, by_account_id, since)
           values ($1, $2, $3, $4, $5, $6)
           on conflict (tenant_id, session_id, account_id)
             do update set kind = $4, by_account_id = $5, since = $6 where r.kind <> $4
           returning kind""",
        tenant_id,
        session_id,
        learner.id,
        kind,
        by.id,
        now,
    )
    if changed is not None:
        event = ParticipantRestricted(identity=learner.identity, kind=kind, by=by.identity)
        await append_event(db, tenant_id, session_id, event, now)


async def delete_restriction(
    db: Connection,
    tenant_id: UUID,
    session_id: UUID,
    learner: Account,
    *,
    by: Account,
    now: datetime,
) -> None:
    """Lets the learner back in, or speak again, and logs it. Without one, does nothing."""
    deleted = await db.fetchval(
        """delete from room_restrictions
           where tenant_id = $1 and session_id = $2 and account_id = $3 returning kind""",
        tenant_id,
        session_id,
        learner.id,
    )
    if deleted is not None:
        event = ParticipantReleased(identity=learner.identity, by=by.identity)
        await append_event(db, tenant_id, session_id, event, now)


async def find_restriction(
    db: Connection, tenant_id: UUID, room_id: UUID, account_id: UUID
) -> RestrictionKind | None:
    kind: RestrictionKind | None = await db.fetchval(
        """select r.kind from room_restrictions r
           join sessions s on s.tenant_id = r.tenant_id and s.id = r.session_id
           where r.tenant_id = $1 and s.room_id = $2 and r.account_id = $3
             and s.status = 'active'""",
        tenant_id,
        room_id,
        account_id,
    )
    return kind


async def list_restrictions(db: Connection, tenant_id: UUID, session_id: UUID) -> list[Restriction]:
    rows = await db.fetch(
        """select a.identity, a.name, r.kind, r.since from room_restrictions r
           join accounts a on a.tenant_id = r.tenant_id and a.id = r.account_id
           where r.tenant_id = $1 and r.session_id = $2 order by r.since, a.identity""",
        tenant_id,
        session_id,
    )
    return [Restriction(**row) for row in rows]


async def list_identities_with_roles(
    db: Connection, tenant_id: UUID, session_id: UUID, *, roles: Collection[Role]
) -> list[str]:
    """The identities of those who entered the session's room and have one of the roles."""
    rows = await db.fetch(
        """select a.identity from sessions s
           join room_learners l on l.tenant_id = s.tenant_id and l.room_id = s.room_id
           join accounts a on a.tenant_id = l.tenant_id and a.id = l.account_id
           where s.tenant_id = $1 and s.id = $2 and a.role = any($3) order by a.identity""",
        tenant_id,
        session_id,
        list(roles),
    )
    return [row["identity"] for row in rows]


async def list_restricted_present(db: Connection, tenant_id: UUID) -> list[RestrictedPresent]:
    rows = await db.fetch(
        """select distinct s.id as session_id, m.name as room_name, a.identity, r.kind
           from room_restrictions r
           join livekit_participants p on p.tenant_id = r.tenant_id
             and p.session_id = r.session_id and p.account_id = r.account_id
           join accounts a on a.tenant_id = r.tenant_id and a.id = r.account_id
           join sessions s on s.tenant_id = r.tenant_id and s.id = r.session_id
           join livekit_rooms m on m.tenant_id = s.tenant_id and m.id = s.room_id
           where r.tenant_id = $1 and s.status = 'active' and p.left_at is null
           order by m.name, a.identity""",
        tenant_id,
    )
    return [RestrictedPresent(**row) for row in rows]
