"""The lesson of each learner in a room. The database decides; notifications only speed it up."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from uuid import UUID

from livekit import api

import db
import protocol
import rooms
from agent.room.dispatch import Dispatch
from agent.room.learner import Learner, News, Roster
from db.accounts import find_account, find_account_by_identity
from db.rooms import RoomLearner, find_room_learner, list_room_learners

REREAD_EVERY_S = 2.0  # finds a change within this if its notification is lost

logger = logging.getLogger(__name__)


class RefusedError(Exception):
    """The sender is not in this room or may not open the lesson. The message is for the sender."""


class Lessons:
    """Keeps the roster's lessons in sync with the database.

    `moves` receives each learner whose lesson has changed.
    """

    def __init__(
        self, dispatch: Dispatch, pool: db.Pool, livekit: api.LiveKitAPI, roster: Roster
    ) -> None:
        self.moves: asyncio.Queue[Learner] = asyncio.Queue()
        self._dispatch = dispatch
        self._pool = pool
        self._livekit = livekit
        self._roster = roster

    async def find_sender(self, identity: str) -> Learner:
        """The sender of a message, even if not announced by LiveKit yet. Raises RefusedError."""
        if (learner := self._roster.get(identity)) is not None:
            return learner
        dispatch = self._dispatch
        async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
            account = await find_account_by_identity(conn, dispatch.tenant_id, identity)
            if account is None:
                raise RefusedError("you are not in this room")
            row = await find_room_learner(conn, dispatch.tenant_id, dispatch.room.id, account.id)
        if row is None:
            raise RefusedError("you are not in this room")
        news = News(account.id, account.name, row.lesson_id, row.revision, store_words=None)
        return self._roster.add(identity, news)

    async def reread_lesson(self, learner: Learner) -> None:
        dispatch = self._dispatch
        async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
            row = await find_room_learner(
                conn, dispatch.tenant_id, dispatch.room.id, learner.account_id
            )
        if row is not None:
            self._move_learner(learner, row.lesson_id, row.revision)

    async def apply_news(self, news: News) -> None:
        learner = self._roster.find_by_account(news.account_id)
        if learner is None:
            return
        learner.take_storage_choice(news)
        if news.lesson_id is None:
            return
        if not news.revised:
            if news.lesson_id != learner.lesson_id:
                await self.change_lesson(learner, news.lesson_id)
        elif news.revision > learner.revision:
            row = await self._confirm_in_database(learner, news.lesson_id, news.revision)
            if row is not None:
                self._move_learner(learner, row.lesson_id, row.revision)

    async def _confirm_in_database(
        self, learner: Learner, lesson_id: UUID, revision: int
    ) -> RoomLearner | None:
        """The learner's row. Writes it only if another program published a newer revision."""
        dispatch = self._dispatch
        async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
            row = await find_room_learner(
                conn, dispatch.tenant_id, dispatch.room.id, learner.account_id
            )
            if row is None or row.revision >= revision:
                return row  # our server stores a change before it publishes it
            adopted = await rooms.adopt_lesson(
                conn,
                dispatch.room,
                learner.account_id,
                lesson_id,
                revision=revision,
                now=datetime.now(UTC),
            )
        return adopted or row

    async def handle_lesson_change(self, identity: str, change: protocol.LessonChange) -> int:
        """Handles a learner's request, or their hint that a newer revision exists.

        Returns the current revision. Raises RefusedError.
        """
        learner = await self.find_sender(identity)
        if change.revision is None:
            return await self.change_lesson(learner, change.lesson_id)
        if change.revision > learner.revision:
            await self.reread_lesson(learner)
        return learner.revision

    async def change_lesson(self, learner: Learner, lesson_id: UUID) -> int:
        dispatch = self._dispatch
        async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
            account = await find_account(conn, dispatch.tenant_id, learner.account_id)
        if account is None:
            raise RefusedError("you are not in this room")
        try:
            revision = await rooms.change_lesson(
                self._livekit,
                self._pool,
                dispatch.room,
                account,
                lesson_id,
                now=datetime.now(UTC),
            )
        except (db.NotFound, db.Forbidden) as error:
            raise RefusedError("that lesson is not in this module") from error
        self._move_learner(learner, lesson_id, revision)
        return revision

    async def reread_all(self) -> None:
        """Reads everyone's lesson. Changes nothing if the database is away."""
        dispatch = self._dispatch
        try:
            async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
                rows = await list_room_learners(conn, dispatch.tenant_id, dispatch.room.id)
        except db.AWAY:
            logger.warning("lessons not read: the database is away")
            return
        for row in rows:
            if learner := self._roster.find_by_account(row.account_id):
                self._move_learner(learner, row.lesson_id, row.revision)

    async def reread_all_forever(self) -> None:
        while True:
            await asyncio.sleep(REREAD_EVERY_S)
            await self.reread_all()

    def _move_learner(self, learner: Learner, lesson_id: UUID | None, revision: int) -> None:
        before = learner.lesson_id
        if not learner.move_to_lesson(lesson_id, revision):
            return
        logger.info(
            "lesson changed",
            extra={"lesson_id": str(lesson_id), "revision": revision, "applied_at": time.time()},
        )
        if learner.lesson_id != before:
            self.moves.put_nowait(learner)
