"""Whether a learner's words are stored: read from the database, held while it is away."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from livekit import api

from agent.durable.journal import MAX_HELD, Journal, Utterance
from agent.durable.spool import Spool
from agent.room.dispatch import Dispatch
from agent.room.learner import Connection, Learner, News, Roster
from agent.room.lessons import Lessons
from agent.text.lines import Line, Sentence
from db import Pool, create_pool, tenant_tx
from db.account_settings import select_settings
from db.accounts import Account
from db.attendance import upsert_participants
from db.members import count_sessions_with_unread_choice
from db.rooms import upsert_room_learner
from db.sessions import insert_session
from db.stays import ParticipantRow
from tests.conftest import Database
from tests.db.rows import NOW, choose_storing, make_learner, make_room


@dataclass
class Scene:
    """The agent's side of a room whose learner, Amina, has not been read yet."""

    database: Database
    pool: Pool
    dispatch: Dispatch
    amina: Account
    lessons: Lessons
    journal: Journal
    spool: Spool

    async def choose(self, *, store_words: bool) -> int:
        """Amina's choice on the page. Returns its revision."""
        async with tenant_tx(self.pool, self.dispatch.tenant_id) as db:
            who = (db, self.dispatch.tenant_id, self.amina.id)
            await choose_storing(*who, store_words=store_words)
            return (await select_settings(*who)).store_words_revision

    async def says(self, text: str) -> Learner:
        """Amina's words as the agent handles them, and the answer to them."""
        learner = await self.lessons.find_or_read_sender(self.amina.identity)
        await self.journal.record_utterance(learner, Utterance(text, text, "text", 1.0, 2.0))
        line = Line(identity=learner.identity, text=f"so {text}", in_reply_to=text)
        answer = Sentence(f"to {text}", line.text, 2.0, 3.0, False, line, ())
        await self.journal.record_sentence(answer)
        return learner

    async def stored(self) -> list[tuple[str, str, Any]]:
        """Id, words and speaker of each segment in the spool; those of the tutor are to Amina."""
        waiting = await self.spool.list_waiting(5000)
        payloads = [one.payload for one in waiting if one.kind == "segment"]
        to = {one["to_account_id"] for one in payloads if one["in_reply_to"]}
        assert to <= {str(self.amina.id)}
        return [(one["id"], one["text"], one["account_id"]) for one in payloads]

    async def unread(self, revision: int) -> int:
        async with tenant_tx(self.pool, self.dispatch.tenant_id) as db:
            return await count_sessions_with_unread_choice(
                db, self.dispatch.tenant_id, self.amina.id, revision
            )

    async def confirmed(self, revision: int) -> None:
        """Returns once the agent has read this choice; it must within 2 s."""
        async with asyncio.timeout(2):
            while await self.unread(revision):  # noqa: ASYNC110 only the database knows
                await asyncio.sleep(0.01)


@pytest.fixture
async def scene(database: Database, tenant_id: UUID, tmp_path: Path) -> AsyncIterator[Scene]:
    pool = await create_pool(database.dsn("bodh_app"), max_size=2)
    livekit = api.LiveKitAPI("http://127.0.0.1:9", "key", "secret")  # never reached
    async with tenant_tx(pool, tenant_id) as db:
        room = await make_room(db, tenant_id)
        session = await insert_session(db, tenant_id, room.id, "RM_1", NOW)
        amina = await make_learner(db, tenant_id)
        await upsert_room_learner(db, tenant_id, room.id, amina.id, None)
        await choose_storing(db, tenant_id, amina.id, store_words=True)
        stay = ParticipantRow(session.id, "PA_1", amina.id, NOW, None)
        await upsert_participants(db, tenant_id, [stay])
    dispatch, roster = Dispatch(tenant_id, room, session, 1), Roster()
    lessons = Lessons(dispatch, pool, livekit, roster)
    spool = Spool(tmp_path / "spool.sqlite3")
    journal = Journal(spool, dispatch, roster)
    yield Scene(database, pool, dispatch, amina, lessons, journal, spool)
    await journal.close()
    await spool.close()
    await livekit.aclose()
    await pool.close()


@pytest.fixture
async def outage(scene: Scene) -> AsyncIterator[asyncpg.Connection]:
    """The tables of learners do not answer until `execute("commit")`."""
    connection = await asyncpg.connect(scene.database.dsn("postgres"))
    await connection.execute("begin")
    await connection.execute("lock table room_learners in access exclusive mode")
    yield connection
    await connection.close()


async def test_first_words_that_overtake_the_announcement_follow_the_choice(scene: Scene) -> None:
    await scene.choose(store_words=False)
    learner = await scene.says("hi")
    assert learner.store_words is False
    assert await scene.stored() == [("hi", "", str(scene.amina.id)), ("to hi", "", None)]


@pytest.mark.parametrize("store_words", [True, False])
async def test_words_of_an_unknown_learner_wait_until_the_database_is_back(
    scene: Scene, outage: asyncpg.Connection, store_words: bool
) -> None:
    learner = await scene.says("one")
    await scene.says("two")
    assert await scene.stored() == []
    assert await scene.journal.held_changes.get() is True
    await outage.execute("commit")
    await scene.choose(store_words=store_words)
    await scene.lessons.sync_with_database()
    await scene.journal.store_or_drop_held()
    assert await scene.journal.held_changes.get() is False
    assert learner.account_id == scene.amina.id

    def words(text: str) -> str:
        return text if store_words else ""

    account_id = str(scene.amina.id)
    assert await scene.stored() == [
        ("one", words("one"), account_id),
        ("to one", words("so one"), None),
        ("two", words("two"), account_id),
        ("to two", words("so two"), None),
    ]


async def test_unknown_learner_who_declines_by_metadata_is_stored_like_a_known_one(
    scene: Scene, outage: asyncpg.Connection
) -> None:
    """Who spoke and when is stored without words, once the account is known."""
    learner = await scene.says("one")
    assert await scene.journal.held_changes.get() is True
    await scene.lessons.apply_news(declined(learner))
    await scene.journal.store_or_drop_held()
    assert await scene.journal.held_changes.get() is False  # no words wait any more
    await scene.says("two")
    assert await scene.stored() == []
    await outage.execute("commit")
    await scene.lessons.sync_with_database()
    await scene.journal.store_or_drop_held()
    await scene.says("three")
    account_id = str(scene.amina.id)
    assert await scene.stored() == [
        ("one", "", account_id),
        ("to one", "", None),
        ("two", "", account_id),
        ("to two", "", None),
        ("three", "three", account_id),  # the choice in the database
        ("to three", "so three", None),
    ]
    names = [one.payload["name"] for one in await scene.spool.list_waiting(10)]
    assert names == ["", "", "", "", "Amina", "Bodh"]


async def test_metadata_switches_storing_off_until_the_choice_is_read_again(scene: Scene) -> None:
    learner = await scene.says("before")
    await scene.lessons.apply_news(declined(learner))
    await scene.says("declined")
    await scene.lessons.sync_with_database()
    await scene.says("read again")
    words = [text for _, text, account in await scene.stored() if account]
    assert words == ["before", "", "read again"]


async def test_new_version_of_the_text_stops_storing_in_a_running_talk_until_agreed_again(
    scene: Scene,
) -> None:
    await scene.says("agreed")
    async with tenant_tx(scene.pool, scene.dispatch.tenant_id) as db:
        await db.execute("update consents set policy_version = '2020-01'")
    await scene.lessons.sync_with_database()
    await scene.says("not agreed")
    revision = await scene.choose(store_words=True)
    assert await scene.unread(revision) == 1
    await scene.lessons.sync_with_database()
    await scene.says("agreed again")
    words = [text for _, text, account in await scene.stored() if account]
    assert words == ["agreed", "", "agreed again"]


def declined(learner: Learner) -> News:
    return News(learner.identity, lesson_id=None, revision=0, declines=True, revised=False)


async def test_nothing_is_stored_of_somebody_who_is_no_learner_of_the_room(
    scene: Scene, outage: asyncpg.Connection
) -> None:
    stranger = await scene.lessons.find_or_read_sender("l_stranger")
    await scene.journal.record_utterance(stranger, Utterance("s", "words", "text", 1.0, 2.0))
    await outage.execute("commit")
    await scene.lessons.sync_with_database()
    await scene.journal.store_or_drop_held()
    assert await scene.stored() == []
    assert scene.journal.roster.get("l_stranger") is None


async def test_words_that_wait_are_bounded_and_lost_at_the_end(
    scene: Scene, outage: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    learner = await scene.lessons.find_or_read_sender(scene.amina.identity)
    for number in range(MAX_HELD + 1):
        said = Utterance(f"t-{number}", "secret", "text", 1.0, 2.0)
        await scene.journal.record_utterance(learner, said)
    lost = [one for one in caplog.records if one.message.startswith("words are lost")]
    assert [one.segment_id for one in lost] == ["t-0"]  # type: ignore[attr-defined]
    await scene.journal.close()
    assert await scene.stored() == []
    assert "secret" not in caplog.text
    await outage.execute("commit")


@pytest.mark.parametrize("in_room", [True, False])
async def test_choice_once_read_holds_through_an_outage(scene: Scene, in_room: bool) -> None:
    await scene.choose(store_words=False)
    if in_room:
        await scene.lessons.read_into_roster(scene.amina.identity)
    else:  # they have a token, and join during the outage
        await scene.lessons.sync_with_database()
    await scene.pool.close()
    await scene.lessons.sync_with_database()
    learner = await scene.lessons.read_into_roster(scene.amina.identity)
    learner.connection = Connection("PA_2", NOW)
    await scene.says("hi")
    assert await scene.stored() == [("hi", "", str(scene.amina.id)), ("to hi", "", None)]


async def test_new_choice_takes_effect_with_the_next_read_and_is_confirmed(scene: Scene) -> None:
    rereading = asyncio.create_task(scene.lessons.sync_with_database_forever())
    for number, store_words in enumerate([False, True, False], 1):
        await scene.says(f"before {number}")
        revision = await scene.choose(store_words=store_words)
        assert revision == number + 1  # the first one made her words stored
        await scene.confirmed(revision)
        await scene.says(f"after {number}")
    rereading.cancel()
    words = [text for key, text, account in await scene.stored() if account]
    assert words == ["before 1", "", "", "after 2", "before 3", ""]


async def test_agent_that_has_not_read_a_choice_has_not_confirmed_it(scene: Scene) -> None:
    await scene.lessons.sync_with_database()
    revision = await scene.choose(store_words=False)
    assert await scene.unread(revision) == 1
    assert await scene.choose(store_words=False) == revision
    await scene.lessons.sync_with_database()
    assert await scene.unread(revision) == 0


async def test_sentence_to_nobody_is_stored_only_if_everybody_stores(scene: Scene) -> None:
    await scene.choose(store_words=False)
    await scene.lessons.read_into_roster(scene.amina.identity)
    await scene.journal.record_sentence(Sentence("n", "words", 1.0, 2.0, False, Line(), ()))
    assert await scene.stored() == [("n", "", None)]
