"""Corrects attendance from the media server's list of participants: webhooks can get lost."""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from livekit import api

from db import Pool, acquire, tenant_tx
from db.attendance import close_stays_of_ended_sessions, reconcile_stays
from db.leases import RunningSession, list_running_sessions
from db.stays import Stay
from db.tenants import list_tenants
from protocol import agent_identity
from rooms.media import is_agent, list_participants, list_room_sids, remove_participant

logger = logging.getLogger(__name__)


async def reconcile_attendance(
    lk: api.LiveKitAPI, pool: Pool, clock: Callable[[], datetime]
) -> None:
    """Records joins and departures that no webhook reported, and removes agents of older epochs.

    Skips sessions without their LiveKit room: the watcher handles them. Raises the errors of the
    media server and the database.
    """
    async with acquire(pool) as db:
        tenants = await list_tenants(db)
    for tenant in tenants:
        async with tenant_tx(pool, tenant.id) as db:
            await close_stays_of_ended_sessions(db, tenant.id)
            running = await list_running_sessions(db, tenant.id)
        names = [session.room_name for session in running]
        live = await list_room_sids(lk, names) if names else {}
        for session in running:
            if live.get(session.room_name) != session.room_sid:
                continue
            at = clock()
            people = await _list_people_in_room(lk, session)
            await _remove_older_agents(lk, session, people)
            present = _stays_of_present(session, people)
            async with tenant_tx(pool, tenant.id) as db:
                closed = await reconcile_stays(db, tenant.id, session.session_id, present, at)
            if closed:
                logger.info(
                    "attendance closed",
                    extra={"session_id": str(session.session_id), "count": closed},
                )


async def _list_people_in_room(
    lk: api.LiveKitAPI, session: RunningSession
) -> list[api.ParticipantInfo]:
    """The participants of the session's room; none if it has just closed."""
    try:
        return await list_participants(lk, session.room_name)
    except api.ServerError as error:
        if error.code != "not_found":
            raise
        return []


async def _remove_older_agents(
    lk: api.LiveKitAPI, session: RunningSession, people: Iterable[api.ParticipantInfo]
) -> None:
    """An agent that hung and was replaced can reconnect later."""
    older = {agent_identity(session.session_id, epoch) for epoch in range(session.epoch)}
    for one in people:
        if one.identity in older:
            await remove_participant(lk, session.room_name, one.identity)
            logger.warning("older agent removed", extra={"session_id": str(session.session_id)})


def _stays_of_present(session: RunningSession, people: Iterable[api.ParticipantInfo]) -> list[Stay]:
    return [
        Stay(
            sid=one.sid,
            room_sid=session.room_sid,
            identity=one.identity,
            joined_at=datetime.fromtimestamp(one.joined_at_ms / 1000 or one.joined_at, UTC),
        )
        for one in people
        if one.state == api.ParticipantInfo.State.ACTIVE and not is_agent(one)
    ]
