"""Effects of webhooks in Postgres. Owns webhook_events."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from db import Connection
from db.accounts import list_ids_by_identity
from db.attendance import list_session_stretches, upsert_late_participants
from db.local_inbox import MediaEvent
from db.rooms import lock_room
from db.sessions import end_session_in_room
from db.stays import fold_stays, participant_rows_of


async def apply_joins_and_departures(
    db: Connection, tenant_id: UUID, events: Sequence[MediaEvent]
) -> None:
    """Stores joins and departures of people, each once. Marks other events as processed."""
    new = await insert_webhook_events(db, tenant_id, events)
    stays = fold_stays(event for event in events if event.id in new)
    if not stays:
        return
    stretches = await list_session_stretches(db, tenant_id, {stay.room_sid for stay in stays})
    accounts = await list_ids_by_identity(db, tenant_id, {stay.identity for stay in stays})
    await upsert_late_participants(db, tenant_id, participant_rows_of(stays, stretches, accounts))


async def apply_room_end(db: Connection, tenant_id: UUID, event: MediaEvent) -> None:
    """Ends the session that is still in the closed LiveKit room. Repeats have no effect."""
    await lock_room(db, event.room)  # a learner may be opening the room and moving the session
    if await insert_webhook_events(db, tenant_id, [event]):
        await end_session_in_room(db, tenant_id, event.room_sid, event.at)


async def insert_webhook_events(
    db: Connection, tenant_id: UUID, events: Iterable[MediaEvent]
) -> set[str]:
    ordered = sorted(events, key=lambda event: event.id)  # the same order in every process
    rows = await db.fetch(
        """insert into webhook_events (tenant_id, id, name, created_at)
           select $1, * from unnest($2::text[], $3::text[], $4::timestamptz[])
           on conflict (tenant_id, id) do nothing returning id""",
        tenant_id,
        [event.id for event in ordered],
        [event.name for event in ordered],
        [event.at for event in ordered],
    )
    return {row["id"] for row in rows}


async def delete_webhook_events(db: Connection, tenant_id: UUID, age: timedelta) -> None:
    await db.execute(
        "delete from webhook_events where tenant_id = $1 and processed_at < now() - $2::interval",
        tenant_id,
        age,
    )
