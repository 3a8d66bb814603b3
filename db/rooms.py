"""Rooms and who learns in them. Owns livekit_rooms, room_learners."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from db import Conflict, Connection, NotFound
from protocol import SessionKind


@dataclass(frozen=True)
class Room:
    """`revision` counts the lesson changes in the room."""

    id: UUID
    tenant_id: UUID
    name: str
    kind: SessionKind
    course_id: UUID | None
    module_id: UUID | None
    opener_account_id: UUID | None
    revision: int


@dataclass(frozen=True)
class RoomLearner:
    room_id: UUID
    account_id: UUID
    lesson_id: UUID | None
    revision: int
    greeted_at: datetime | None


async def lock_room(db: Connection, name: str) -> None:
    """Makes this transaction the only one that moves the room's session until it ends.

    The holder must not call the media server: see `rooms.room_lock` for that.
    """
    await db.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", name)


async def take_room_lock(
    db: Connection, tenant_id: UUID, room_id: UUID, holder: UUID, length: timedelta
) -> bool:
    """Takes the room's lock for this long. Returns False if another holder has it."""
    status = await db.execute(
        """update livekit_rooms set locked_by = $3, locked_until = now() + $4::interval
           where tenant_id = $1 and id = $2
             and (locked_until is null or locked_until < now())""",
        tenant_id,
        room_id,
        holder,
        length,
    )
    return status == "UPDATE 1"


async def release_room_lock(db: Connection, tenant_id: UUID, room_id: UUID, holder: UUID) -> None:
    await db.execute(
        """update livekit_rooms set locked_by = null, locked_until = null
           where tenant_id = $1 and id = $2 and locked_by = $3""",
        tenant_id,
        room_id,
        holder,
    )


async def ensure_room(
    db: Connection, tenant_id: UUID, *, name: str, course_id: UUID, module_id: UUID
) -> Room:
    """The tutor room of that name, created if missing. Raises Conflict if another tenant has it."""
    await db.execute(
        """insert into livekit_rooms (tenant_id, name, course_id, module_id)
           values ($1, $2, $3, $4) on conflict (name) do nothing""",
        tenant_id,
        name,
        course_id,
        module_id,
    )
    room = await find_room(db, tenant_id, name)
    if room is None:
        raise Conflict("the room name is taken")
    return room


async def find_room(db: Connection, tenant_id: UUID, name: str) -> Room | None:
    row = await db.fetchrow(
        """select id, tenant_id, name, kind, course_id, module_id, opener_account_id, revision
           from livekit_rooms where tenant_id = $1 and name = $2""",
        tenant_id,
        name,
    )
    return None if row is None else Room(**row)


async def list_known_room_names(
    db: Connection, tenant_id: UUID, names: Collection[str]
) -> list[str]:
    rows = await db.fetch(
        "select name from livekit_rooms where tenant_id = $1 and name = any($2)",
        tenant_id,
        list(names),
    )
    return [row["name"] for row in rows]


async def find_room_by_id(db: Connection, tenant_id: UUID, room_id: UUID) -> Room | None:
    row = await db.fetchrow(
        """select id, tenant_id, name, kind, course_id, module_id, opener_account_id, revision
           from livekit_rooms where tenant_id = $1 and id = $2""",
        tenant_id,
        room_id,
    )
    return None if row is None else Room(**row)


async def update_opener(
    db: Connection, tenant_id: UUID, room_id: UUID, account_id: UUID | None
) -> None:
    """Sets the account whose keys the room metadata carries (K12)."""
    await db.execute(
        "update livekit_rooms set opener_account_id = $3 where tenant_id = $1 and id = $2",
        tenant_id,
        room_id,
        account_id,
    )


async def upsert_room_learner(
    db: Connection, tenant_id: UUID, room_id: UUID, account_id: UUID, lesson_id: UUID | None
) -> RoomLearner:
    """Adds the learner to the room. Ignores `lesson_id` if they are already in it.

    To change the lesson, use `update_learner_lesson`. Raises NotFound if there is no such room.
    """
    row = await db.fetchrow(
        """insert into room_learners (tenant_id, room_id, account_id, lesson_id, revision)
           select tenant_id, id, $3, $4, revision from livekit_rooms
           where tenant_id = $1 and id = $2
           on conflict (tenant_id, room_id, account_id) do update set token_at = now()
           returning room_id, account_id, lesson_id, revision, greeted_at""",
        tenant_id,
        room_id,
        account_id,
        lesson_id,
    )
    if row is None:
        raise NotFound(f"room {room_id}")
    return RoomLearner(**row)


async def find_room_learner(
    db: Connection, tenant_id: UUID, room_id: UUID, account_id: UUID
) -> RoomLearner | None:
    row = await db.fetchrow(
        """select room_id, account_id, lesson_id, revision, greeted_at from room_learners
           where tenant_id = $1 and room_id = $2 and account_id = $3""",
        tenant_id,
        room_id,
        account_id,
    )
    return None if row is None else RoomLearner(**row)


async def list_running_rooms(db: Connection, tenant_id: UUID, account_id: UUID) -> list[Room]:
    """The rooms with an active session that the account got a token for."""
    rows = await db.fetch(
        """select r.id, r.tenant_id, r.name, r.kind, r.course_id, r.module_id,
                  r.opener_account_id, r.revision
           from room_learners l
           join livekit_rooms r on r.tenant_id = l.tenant_id and r.id = l.room_id
           join sessions s on s.tenant_id = r.tenant_id and s.room_id = r.id
           where l.tenant_id = $1 and l.account_id = $2 and s.status = 'active'""",
        tenant_id,
        account_id,
    )
    return [Room(**row) for row in rows]


async def has_other_learners(
    db: Connection, tenant_id: UUID, room_id: UUID, account_id: UUID
) -> bool:
    """Whether anybody else ever got a token for the room."""
    found: bool = await db.fetchval(
        """select exists (
             select from room_learners
             where tenant_id = $1 and room_id = $2 and account_id <> $3)""",
        tenant_id,
        room_id,
        account_id,
    )
    return found


async def update_learner_lesson(
    db: Connection, tenant_id: UUID, room_id: UUID, account_id: UUID, lesson_id: UUID
) -> int:
    """Stores the learner's lesson and returns its revision, one above the room's last.

    Changes nothing if the learner is already on that lesson. Raises NotFound if the account is not
    a learner of the room.
    """
    learner = await lock_room_learner(db, tenant_id, room_id, account_id)
    if learner.lesson_id == lesson_id:
        return learner.revision
    revision: int = await db.fetchval(
        """with room as (
             update livekit_rooms set revision = revision + 1
             where tenant_id = $1 and id = $2 returning revision
           )
           update room_learners l set lesson_id = $4, revision = room.revision from room
           where l.tenant_id = $1 and l.room_id = $2 and l.account_id = $3
           returning l.revision""",
        tenant_id,
        room_id,
        account_id,
        lesson_id,
    )
    return revision


async def adopt_lesson(
    db: Connection,
    tenant_id: UUID,
    room_id: UUID,
    account_id: UUID,
    *,
    lesson_id: UUID,
    revision: int,
) -> RoomLearner | None:
    """Stores a lesson and revision from the room's metadata; raises the room's counter to it.

    Returns None and changes nothing if the revision is older, or the lesson is not published in the
    room's module.
    """
    row = await db.fetchrow(
        """update room_learners l set lesson_id = $4, revision = $5
           from livekit_rooms r, lessons
           where l.tenant_id = $1 and l.room_id = $2 and l.account_id = $3 and l.revision < $5
             and r.tenant_id = $1 and r.id = $2
             and lessons.tenant_id = $1 and lessons.id = $4 and lessons.module_id = r.module_id
             and coalesce(lessons.is_published, true)
           returning l.room_id, l.account_id, l.lesson_id, l.revision, l.greeted_at""",
        tenant_id,
        room_id,
        account_id,
        lesson_id,
        revision,
    )
    if row is None:
        return None
    await db.execute(
        """update livekit_rooms set revision = greatest(revision, $3)
           where tenant_id = $1 and id = $2""",
        tenant_id,
        room_id,
        revision,
    )
    return RoomLearner(**row)


async def record_greeting(
    db: Connection, tenant_id: UUID, room_id: UUID, account_id: UUID, now: datetime
) -> None:
    await db.execute(
        """update room_learners set greeted_at = $4
           where tenant_id = $1 and room_id = $2 and account_id = $3""",
        tenant_id,
        room_id,
        account_id,
        now,
    )


async def lock_room_learner(
    db: Connection, tenant_id: UUID, room_id: UUID, account_id: UUID
) -> RoomLearner:
    row = await db.fetchrow(
        """select room_id, account_id, lesson_id, revision, greeted_at from room_learners
           where tenant_id = $1 and room_id = $2 and account_id = $3 for update""",
        tenant_id,
        room_id,
        account_id,
    )
    if row is None:
        raise NotFound(f"learner {account_id} in room {room_id}")
    return RoomLearner(**row)
