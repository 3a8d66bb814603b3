"""Who may see a session."""

from uuid import UUID

import pytest

from db import Connection, NotFound
from db.accounts import ensure_account
from db.roles import select_visible_session
from db.rooms import ensure_room_learner
from db.sessions import find_session
from protocol import Role
from tests.db.rows import make_session


@pytest.mark.parametrize(
    ("role", "in_room", "seen"),
    [
        ("learner", False, False),
        ("learner", True, True),
        ("teacher", False, True),
        ("admin", False, True),
    ],
)
async def test_learners_see_sessions_of_their_rooms_and_staff_all(
    db: Connection, tenant_id: UUID, role: Role, in_room: bool, seen: bool
) -> None:
    session_id = await make_session(db, tenant_id)
    session = await find_session(db, tenant_id, session_id)
    assert session is not None
    account = await ensure_account(db, tenant_id, subject="amina", name="Amina", role=role)
    if in_room:
        await ensure_room_learner(db, tenant_id, session.room_id, account.id, None)
    if seen:
        assert await select_visible_session(db, tenant_id, account, session_id) == session
    else:
        with pytest.raises(NotFound):
            await select_visible_session(db, tenant_id, account, session_id)
