"""Who may be in a running session, and who may speak. Owns .../restrictions and .../entry."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path

import rooms
from db import restrictions, tenant_tx
from db.roles import list_roles_with, select_taught_session, select_visible_session
from web.camel import CamelModel
from web.dependencies import Caller, Running, rate_limited
from web.error_responses import PROBLEMS

router = APIRouter(prefix="/api/sessions", tags=["sessions"], responses=PROBLEMS)

Identity = Annotated[str, Path(max_length=128, description="The participant's identity")]


class RestrictionChange(CamelModel):
    """`removed`: out of the room, without a new token. `muted`: no microphone; may listen and type.

    `none`: let back in, or allowed to speak again.
    """

    restriction: Literal["removed", "muted", "none"]


class Restriction(CamelModel):
    identity: str
    name: str
    kind: Literal["removed", "muted"]
    since: datetime


class Restrictions(CamelModel):
    """Who is removed or muted, in the order in which it happened.

    `exempt` has the identities of the staff in the room, who cannot be removed or muted.
    """

    restrictions: list[Restriction]
    exempt: list[str]


class SessionEntry(CamelModel):
    """Why the caller cannot enter the session's room now. Null if they can."""

    refusal: rooms.EntryRefusal | None


@router.get("/{session_id}/entry")
async def get_entry(session_id: UUID, running: Running, caller: Caller) -> SessionEntry:
    """Whether the caller may enter a session that they were in. Changes nothing."""
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        session = await select_visible_session(db, caller.tenant_id, caller.account, session_id)
        refusal = await rooms.find_entry_refusal(running.settings, db, caller.account, session)
    return SessionEntry(refusal=refusal)


@router.get("/{session_id}/restrictions")
async def get_restrictions(session_id: UUID, running: Running, caller: Caller) -> Restrictions:
    """Who is removed from a session or muted in it. For teachers of its course."""
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        session = await select_taught_session(db, caller.tenant_id, caller.account, session_id)
        listed = await restrictions.list_restrictions(db, caller.tenant_id, session.id)
        exempt = await restrictions.list_identities_with_roles(
            db, caller.tenant_id, session.id, roles=list_roles_with("teach")
        )
    return Restrictions(
        restrictions=[Restriction.model_validate(one) for one in listed], exempt=exempt
    )


@router.put("/{session_id}/restrictions/{identity}", dependencies=[rate_limited("restrictions")])
async def put_restriction(
    session_id: UUID, identity: Identity, body: RestrictionChange, running: Running, caller: Caller
) -> Restrictions:
    """Removes a learner from a running session, mutes them, or lets them back.

    Holds until the session ends, also for learners who come back. For teachers of its course.
    """
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        session = await select_taught_session(db, caller.tenant_id, caller.account, session_id)
    await rooms.change_restriction(
        running.lk,
        running.pool,
        session,
        identity,
        None if body.restriction == "none" else body.restriction,
        by=caller.account,
        now=running.clock(),
    )
    return await get_restrictions(session_id, running, caller)
