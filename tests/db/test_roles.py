"""Who may see a session, and who teaches a course."""

from uuid import UUID

import pytest

from db import Connection, NotFound, Pool, create_pool, tenant_tx
from db.account_commands import AccountError
from db.accounts import Account, upsert_signed_in_account
from db.course_staff import list_staff, upsert_staff_role
from db.course_staff_commands import CourseError, change_and_print_staff
from db.deleting import delete_account
from db.erasures import new_erasure
from db.roles import sees_learners_of, select_visible_session
from db.rooms import upsert_room_learner
from db.sessions import find_session
from protocol import Role
from tests.conftest import Database
from tests.db.rows import NOW, import_folder, make_session
from tests.db.test_tenants import fill


async def make_account(db: Connection, tenant_id: UUID, name: str, role: Role) -> Account:
    return await upsert_signed_in_account(db, tenant_id, subject=name, name=name, role=role)


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
    account = await make_account(db, tenant_id, "amina", role)
    if in_room:
        await upsert_room_learner(db, tenant_id, session.room_id, account.id, None)
    if seen:
        assert await select_visible_session(db, tenant_id, account, session_id) == session
    else:
        with pytest.raises(NotFound):
            await select_visible_session(db, tenant_id, account, session_id)


@pytest.mark.parametrize(
    ("role", "on_staff", "seen"),
    [
        ("teacher", True, True),
        ("teacher", False, False),
        ("admin", False, True),
        ("learner", True, False),  # for example because their role was taken away
    ],
)
async def test_course_with_staff_is_seen_by_them_and_by_admins(
    db: Connection, tenant_id: UUID, role: Role, on_staff: bool, seen: bool
) -> None:
    course = await import_folder(db, tenant_id)
    account = await make_account(db, tenant_id, "amina", role)
    other = await make_account(db, tenant_id, "other", "teacher")
    await upsert_staff_role(db, tenant_id, course.id, other.id, "teacher")
    if on_staff:
        await upsert_staff_role(db, tenant_id, course.id, account.id, "mentor")
    assert await sees_learners_of(db, tenant_id, account, course.id) is seen


@pytest.mark.parametrize(
    ("role", "seen"), [("learner", False), ("teacher", False), ("admin", True)]
)
async def test_room_without_a_course_is_seen_by_admins(
    db: Connection, tenant_id: UUID, role: Role, seen: bool
) -> None:
    account = await make_account(db, tenant_id, "amina", role)
    assert await sees_learners_of(db, tenant_id, account, None) is seen


async def test_operator_puts_a_teacher_on_a_course_and_takes_them_off(
    db: Connection, tenant_id: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    course = await import_folder(db, tenant_id)
    otto = await make_account(db, tenant_id, "Otto", "teacher")
    pia = await make_account(db, tenant_id, "Pia", "teacher")
    await change_and_print_staff(db, tenant_id, course.slug, "Otto", "mentor")
    assert capsys.readouterr().out == f"{course.title}: mentor Otto\n"
    assert await sees_learners_of(db, tenant_id, otto, course.id)
    assert not await sees_learners_of(db, tenant_id, pia, course.id)
    await change_and_print_staff(db, tenant_id, str(course.id), "Otto", None)
    assert "every teacher of the tenant sees its learners" in capsys.readouterr().out
    assert await sees_learners_of(db, tenant_id, pia, course.id)


async def test_staff_command_refuses_learners_and_unknown_courses(
    db: Connection, tenant_id: UUID
) -> None:
    course = await import_folder(db, tenant_id)
    await make_account(db, tenant_id, "amina", "learner")
    with pytest.raises(AccountError, match="amina is learner: first run"):
        await change_and_print_staff(db, tenant_id, course.slug, "amina", "teacher")
    with pytest.raises(AccountError, match="no account"):
        await change_and_print_staff(db, tenant_id, course.slug, "nobody", "teacher")
    with pytest.raises(CourseError, match="no course physics"):
        await change_and_print_staff(db, tenant_id, "physics", None, None)
    assert await list_staff(db, tenant_id, course.id) == []


async def test_course_is_not_opened_to_all_teachers_when_its_staff_is_deleted(
    pool: Pool, database: Database
) -> None:
    ids = await fill(pool, "school")
    deleter = await create_pool(database.dsn("bodh_jobs"), max_size=1)
    erasure = new_erasure(ids.tenant_id, "account", NOW, account_id=ids.account_id)
    async with tenant_tx(deleter, ids.tenant_id) as db:
        await delete_account(db, ids.tenant_id, erasure)
    await deleter.close()
    async with tenant_tx(pool, ids.tenant_id) as db:
        pia = await make_account(db, ids.tenant_id, "Pia", "teacher")
        assert not await sees_learners_of(db, ids.tenant_id, pia, ids.course_id)
        (left,) = await list_staff(db, ids.tenant_id, ids.course_id)
    assert (left.account_id, left.name) == (None, None)
