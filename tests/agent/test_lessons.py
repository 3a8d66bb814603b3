"""How an agent handles lesson news: it reads once, and writes only what other programs changed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from livekit import api

import protocol
import rooms
from agent.room.dispatch import Dispatch
from agent.room.learner import Learner, News, Roster, news_from_metadata
from agent.room.lessons import Lessons, RefusedError
from courses.course import Course, Lesson
from db import Pool, create_pool, tenant_tx
from db.accounts import Account, update_blocked_at
from db.courses import list_outline
from db.events import list_events
from db.rooms import ensure_room, find_room_learner, upsert_room_learner
from db.sessions import insert_session
from protocol import RoomMetadata
from tests.conftest import Database
from tests.db.rows import NOW, at, make_learner


@dataclass
class Scene:
    """Amina in the first lesson of a room, and the statements about its learners."""

    pool: Pool
    dispatch: Dispatch
    account: Account
    amina: Learner
    lessons: Lessons
    mine: list[Lesson]  # of the room's module
    foreign: Lesson
    statements: list[str]

    async def row(self) -> tuple[UUID | None, int]:
        """The lesson and revision in the database."""
        tenant_id, room = self.dispatch.tenant_id, self.dispatch.room
        async with tenant_tx(self.pool, tenant_id) as db:
            row = await find_room_learner(db, tenant_id, room.id, self.account.id)
        assert row is not None
        return row.lesson_id, row.revision

    async def logged(self) -> list[int]:
        """The revisions in the session's events."""
        tenant_id, session = self.dispatch.tenant_id, self.dispatch.session
        async with tenant_tx(self.pool, tenant_id) as db:
            events = await list_events(db, tenant_id, session.id)
        return [one.payload["revision"] for one in events if one.type == "lesson.changed"]

    def news(self, lesson: Lesson, revision: int) -> News:
        return News(self.account.identity, lesson.id, revision)


@pytest.fixture
async def scene(database: Database, sample: Course, tenant_id: UUID) -> AsyncIterator[Scene]:
    pool = await create_pool(database.dsn("bodh_app"), max_size=1)
    livekit = api.LiveKitAPI("http://127.0.0.1:9", "key", "s" * 32)  # nobody answers
    async with tenant_tx(pool, tenant_id) as db:
        outline = await list_outline(db, tenant_id, sample.id)
        module_id = outline[0].module_id
        mine = [lesson for lesson in outline if lesson.module_id == module_id]
        room = await ensure_room(
            db, tenant_id, name="room", course_id=sample.id, module_id=module_id
        )
        session = await insert_session(db, tenant_id, room.id, "RM_1", NOW)
        account = await make_learner(db, tenant_id)
        await upsert_room_learner(db, tenant_id, room.id, account.id, mine[0].id)
    statements: list[str] = []

    def note(record: Any) -> None:
        if "room_learners" in record.query:
            statements.append(record.query.split()[0])

    async with pool.acquire() as connection:
        connection.add_query_logger(note)
    dispatch, roster = Dispatch(tenant_id, room, session, 1), Roster()
    lessons = Lessons(dispatch, pool, livekit, roster)
    amina = await lessons.read_into_roster(account.identity)
    statements.clear()
    yield Scene(pool, dispatch, account, amina, lessons, mine, outline[-1], statements)
    await livekit.aclose()
    await pool.close()


async def test_change_by_our_own_server_is_read_once_and_not_written_again(scene: Scene) -> None:
    tenant_id, wanted = scene.dispatch.tenant_id, scene.mine[1]
    async with tenant_tx(scene.pool, tenant_id) as db:
        stored = await rooms.store_lesson_change(
            db, scene.dispatch.room, scene.account, wanted.id, now=at(1)
        )
    assert stored == (1, True)
    scene.statements.clear()
    for _ in range(2):
        await scene.lessons.apply_news(scene.news(wanted, 1))
        hint = protocol.LessonChange(lesson_id=wanted.id, revision=1)
        assert await scene.lessons.handle_lesson_change(scene.account.identity, hint) == 1
    assert scene.statements == ["select"]
    assert (scene.amina.lesson_id, scene.amina.revision) == (wanted.id, 1)
    assert scene.lessons.moves.get_nowait() is scene.amina
    assert scene.lessons.moves.empty()
    assert await scene.logged() == [1]


async def test_change_by_another_program_is_adopted(scene: Scene) -> None:
    await scene.lessons.apply_news(scene.news(scene.mine[2], 7))
    assert (scene.amina.lesson_id, scene.amina.revision) == (scene.mine[2].id, 7)
    assert await scene.row() == (scene.mine[2].id, 7)
    assert await scene.logged() == [7]


async def test_lesson_of_another_module_in_the_metadata_changes_nothing(scene: Scene) -> None:
    await scene.lessons.apply_news(scene.news(scene.foreign, 7))
    assert (scene.amina.lesson_id, scene.amina.revision) == (scene.mine[0].id, 0)
    assert await scene.row() == (scene.mine[0].id, 0)
    assert scene.lessons.moves.empty()


async def test_change_whose_news_is_lost_is_found_by_rereading(scene: Scene) -> None:
    async with tenant_tx(scene.pool, scene.dispatch.tenant_id) as db:
        await rooms.store_lesson_change(
            db, scene.dispatch.room, scene.account, scene.mine[1].id, now=at(1)
        )
    await scene.lessons.sync_with_database()
    assert scene.amina.lesson_id == scene.mine[1].id
    assert scene.lessons.moves.get_nowait() is scene.amina


async def test_database_that_is_away_changes_nothing(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.pool.close()
    await scene.lessons.sync_with_database()
    assert [one.message for one in caplog.records] == ["lessons not read: the database is away"]
    assert scene.amina.lesson_id == scene.mine[0].id


async def test_program_that_writes_the_account_id_and_no_revision_asks_for_the_lesson(
    scene: Scene,
) -> None:
    metadata = RoomMetadata(user_id=str(scene.account.id), lesson_id=str(scene.mine[1].id))
    await scene.lessons.apply_news(news_from_metadata(metadata.user_id, metadata))
    assert await scene.row() == (scene.mine[1].id, 1)
    assert scene.amina.lesson_id == scene.mine[1].id


async def test_request_for_a_lesson_of_another_module_is_refused(scene: Scene) -> None:
    with pytest.raises(RefusedError, match="not in this module"):
        await scene.lessons.change_lesson(scene.amina, scene.foreign.id)
    assert await scene.row() == (scene.mine[0].id, 0)


async def test_sender_who_is_not_in_the_room_is_refused(scene: Scene) -> None:
    with pytest.raises(RefusedError, match="not in this room"):
        await scene.lessons.find_or_read_sender("l_nobody")


async def test_blocked_learner_is_refused_in_the_room_and_when_joining(scene: Scene) -> None:
    tenant_id = scene.dispatch.tenant_id
    async with tenant_tx(scene.pool, tenant_id) as db:
        await update_blocked_at(db, tenant_id, scene.account.id, NOW)
    await scene.lessons.sync_with_database()
    for ask in (scene.lessons.find_or_read_sender, scene.lessons.read_into_roster):
        with pytest.raises(RefusedError, match="blocked"):
            await ask(scene.account.identity)
    async with tenant_tx(scene.pool, tenant_id) as db:
        await update_blocked_at(db, tenant_id, scene.account.id, None)
    assert await scene.lessons.read_into_roster(scene.account.identity) is scene.amina
    assert await scene.lessons.find_or_read_sender(scene.account.identity) is scene.amina
