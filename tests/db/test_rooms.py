"""Rooms, sessions, rates and accounts in the database."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from db import Conflict, Connection, NotFound, accounts, leases, rate_limits, rooms, sessions
from db.courses import list_lessons
from db.members import list_members
from tests.db.rows import NOW, make_learner, make_room


async def test_an_account_keeps_its_identity_when_name_and_role_change(
    db: Connection, tenant_id: UUID
) -> None:
    first = await make_learner(db, tenant_id)
    again = await accounts.upsert_signed_in_account(
        db, tenant_id, subject="dev:Amina", name="Amina K", role="teacher"
    )
    assert first.identity.startswith("l_")
    assert len(first.identity) >= 24
    assert (again.id, again.identity) == (first.id, first.identity)
    assert (again.name, again.role) == ("Amina K", "teacher")
    assert await accounts.find_account(db, tenant_id, first.id) == again


async def test_room_is_created_once_per_name(db: Connection, tenant_id: UUID) -> None:
    room = await make_room(db, tenant_id)
    assert await make_room(db, tenant_id) == room
    assert await rooms.find_room(db, tenant_id, room.name) == room
    assert await rooms.find_room_by_id(db, tenant_id, room.id) == room


async def test_a_lesson_change_raises_the_revision_and_the_same_lesson_does_not(
    db: Connection, tenant_id: UUID
) -> None:
    room = await make_room(db, tenant_id)
    assert room.module_id is not None
    first, second, *_ = await list_lessons(db, tenant_id, room.module_id, unpublished=True)
    amina, badr = [await make_learner(db, tenant_id, name) for name in ("Amina", "Badr")]
    for account in (amina, badr):
        await rooms.upsert_room_learner(db, tenant_id, room.id, account.id, first.id)
    steps = [(amina, second), (amina, second), (badr, second), (amina, first)]
    revisions = [
        await rooms.update_learner_lesson(db, tenant_id, room.id, account.id, lesson.id)
        for account, lesson in steps
    ]
    learner = await rooms.find_room_learner(db, tenant_id, room.id, amina.id)
    assert revisions == [1, 1, 2, 3]
    assert learner == rooms.RoomLearner(room.id, amina.id, first.id, 3, None)


async def test_change_from_the_metadata_is_adopted_unless_older_or_not_a_lesson_of_the_room(
    db: Connection, tenant_id: UUID
) -> None:
    room = await make_room(db, tenant_id)
    assert room.module_id is not None
    first, draft, *_ = await list_lessons(db, tenant_id, room.module_id, unpublished=True)
    amina = await make_learner(db, tenant_id, "Amina")
    await rooms.upsert_room_learner(db, tenant_id, room.id, amina.id, draft.id)
    for lesson_id, revision in ((first.id, 7), (first.id, 6), (draft.id, 8), (uuid4(), 9)):
        await rooms.adopt_lesson(
            db, tenant_id, room.id, amina.id, lesson_id=lesson_id, revision=revision
        )
    learner = await rooms.find_room_learner(db, tenant_id, room.id, amina.id)
    assert not draft.is_published
    assert learner == rooms.RoomLearner(room.id, amina.id, first.id, 7, None)
    assert await rooms.update_learner_lesson(db, tenant_id, room.id, amina.id, draft.id) == 8


async def test_joining_again_keeps_the_lesson_and_the_greeting(
    db: Connection, tenant_id: UUID
) -> None:
    room = await make_room(db, tenant_id)
    assert room.module_id is not None
    first, second, *_ = await list_lessons(db, tenant_id, room.module_id, unpublished=True)
    amina = await make_learner(db, tenant_id)
    await rooms.upsert_room_learner(db, tenant_id, room.id, amina.id, first.id)
    await rooms.record_greeting(db, tenant_id, room.id, amina.id, NOW)
    again = await rooms.upsert_room_learner(db, tenant_id, room.id, amina.id, second.id)
    assert again == rooms.RoomLearner(room.id, amina.id, first.id, 0, NOW)
    (member,) = await list_members(db, tenant_id, room.id)
    assert (member.account_id, member.lesson_id) == (amina.id, first.id)


async def test_account_outside_the_room_cannot_change_its_lesson(
    db: Connection, tenant_id: UUID
) -> None:
    room = await make_room(db, tenant_id)
    amina = await make_learner(db, tenant_id)
    with pytest.raises(NotFound):
        await rooms.update_learner_lesson(db, tenant_id, room.id, amina.id, uuid4())


async def test_only_the_newest_epoch_renews_the_lease(db: Connection, tenant_id: UUID) -> None:
    room = await make_room(db, tenant_id)
    session = await sessions.insert_session(db, tenant_id, room.id, "RM_1", NOW)
    assert await leases.begin_next_epoch(db, tenant_id, session.id, NOW) == 1
    assert await leases.update_heartbeat(db, tenant_id, session.id, 1, NOW)
    assert await leases.begin_next_epoch(db, tenant_id, session.id, NOW) == 2
    assert not await leases.update_heartbeat(db, tenant_id, session.id, 1, NOW)
    assert await leases.update_heartbeat(db, tenant_id, session.id, 2, NOW)
    await sessions.end_session(db, tenant_id, session.id, NOW)
    assert not await leases.update_heartbeat(db, tenant_id, session.id, 2, NOW)
    assert await sessions.find_active_session(db, tenant_id, room.id) is None
    ended = await sessions.find_session(db, tenant_id, session.id)
    assert ended is not None
    assert (ended.status, ended.ended_at) == ("completed", NOW)


async def test_a_room_has_one_running_session(db: Connection, tenant_id: UUID) -> None:
    room = await make_room(db, tenant_id)
    await sessions.insert_session(db, tenant_id, room.id, "RM_1", NOW)
    with pytest.raises(Conflict):
        await sessions.insert_session(db, tenant_id, room.id, "RM_2", NOW)


async def test_rate_limit_counts_each_minute_separately(db: Connection, tenant_id: UUID) -> None:
    amina = await make_learner(db, tenant_id)
    moments = [NOW, NOW + timedelta(seconds=59), NOW + timedelta(seconds=59)]
    moments.append(NOW + timedelta(seconds=60))
    allowed = [
        await rate_limits.count_request(db, tenant_id, amina.id, "token", 2, at) for at in moments
    ]
    assert allowed == [True, True, False, True]
