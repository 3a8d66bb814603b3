"""Shared and private rooms side by side, and who else is in a room."""

from typing import Any

import asyncpg
import pytest

import rooms
from db import tenant_tx
from db.attendance import upsert_participants
from db.stays import ParticipantRow
from db.tenants import TenantPolicy, update_policy
from settings import RoomScope
from tests.conftest import Database
from tests.web.conftest import School


async def set_scope(database: Database, scope: RoomScope | None) -> None:
    owner = await asyncpg.connect(database.dsn("bodh_owner"))
    await update_policy(owner, "default", TenantPolicy(scope, "off"))
    await owner.close()


async def ask_token(school: School, name: str, **query: Any) -> Any:
    where = {"courseId": school.course.slug, "moduleId": str(school.modules[0].id)}
    return await school.client.post(
        "/api/livekit/token", headers=school.auth(name), params=where | query, json={}
    )


async def people(school: School, name: str, room: str) -> Any:
    return await school.client.get(f"/api/rooms/{room}/people", headers=school.auth(name))


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("module", [(201, "shared"), (403, None)]),
        ("learner", [(201, "private"), (201, "private")]),
        ("choice", [(201, "shared"), (201, "private")]),
    ],
)
async def test_tenant_decides_whether_rooms_are_shared(
    school: School, database: Database, scope: RoomScope, expected: list[Any]
) -> None:
    await set_scope(database, scope)
    answers = [await ask_token(school, "Amina", private=choice) for choice in (False, True)]
    found = []
    for answer in answers:
        name = answer.json().get("room_name")
        kind = "shared" if name == school.room() else "private"
        found.append((answer.status_code, name and kind))
        if name:
            await rooms.close_room(school.lk, name)
    assert found == expected
    assert (await school.open("Amina"))["roomScope"] == scope


async def test_tenants_rule_wins_over_the_setting(school: School, database: Database) -> None:
    school.settings.room_scope = "learner"
    await set_scope(database, "module")
    assert (await ask_token(school, "Amina")).json()["room_name"] == school.room()


async def test_private_room_can_be_joined_again_by_its_name(
    school: School, database: Database
) -> None:
    await set_scope(database, "choice")
    await school.open("Bilal")
    private = (await ask_token(school, "Amina", private=True)).json()["room_name"]
    codes = []
    for name, room in (("Amina", private), ("Amina", school.room()), ("Bilal", private)):
        answer = await school.client.post(
            "/api/livekit/token", headers=school.auth(name), json={"room_name": room}
        )
        codes.append((answer.status_code, answer.json().get("room_name")))
    await rooms.close_room(school.lk, private)
    assert codes == [(201, private), (201, school.room()), (404, None)]


async def test_page_learns_who_else_is_in_the_room(school: School) -> None:
    await school.open("Amina")
    (session,) = await school.rows("select id from sessions where status = 'active'")
    now = school.clock.now
    stays = []
    for name, sid, left_at in (
        ("Bilal", "PA_1", None),
        ("Chen", "PA_2", now),
        ("Amina", "PA_3", None),
    ):
        account = await school.account(name)
        stays.append(ParticipantRow(session["id"], sid, account.id, now, left_at))
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await upsert_participants(db, school.tenant.id, stays)
    answer = await people(school, "Amina", school.room())
    assert answer.json() == {"isPrivate": False, "names": ["Bilal"]}
    assert answer.headers["cache-control"] == "no-store"


async def test_nobody_learns_who_is_in_a_room_that_they_may_not_enter(
    school: School, database: Database
) -> None:
    await set_scope(database, "choice")
    private = (await ask_token(school, "Amina", private=True)).json()["room_name"]
    own, others = await people(school, "Amina", private), await people(school, "Bilal", private)
    elsewhere = await school.client.get(
        f"/api/rooms/{school.room()}/people", headers=school.auth("Amina", tenant="other-school")
    )
    await rooms.close_room(school.lk, private)
    assert own.json() == {"isPrivate": True, "names": []}
    assert (others.status_code, elsewhere.status_code) == (404, 404)
