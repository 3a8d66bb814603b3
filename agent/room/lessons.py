"""The lessons of all learners of a room: news from the wire, checked against the database."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from livekit import api

import db
import protocol
import rooms
from agent.room.dispatch import Dispatch
from agent.room.events import RefusedError
from agent.room.learner import LearnerLesson, apply
from db.accounts import find_account, find_account_by_identity
from db.rooms import find_room_learner, list_room_learners

REREAD_EVERY_S = 2.0  # the database is the truth about lessons; within 6 s whatever was lost

logger = logging.getLogger(__name__)


class Lessons:
    """Who is on which lesson. `moved` is told of every change, and whether to announce it."""

    def __init__(
        self,
        place: Dispatch,
        pool: db.Pool,
        livekit: api.LiveKitAPI,
        moved: Callable[[LearnerLesson, bool], None],
    ) -> None:
        self._place = place
        self._pool = pool
        self._livekit = livekit
        self._moved = moved
        self._learners: dict[str, LearnerLesson] = {}  # by identity, also those who left

    def add(self, learner: LearnerLesson) -> LearnerLesson:
        """A learner who came in, with what is known of them already."""
        known = self._learners.get(learner.identity)
        if known is not None:
            moved = apply(known, learner.lesson_id, learner.revision)
            learner = replace(moved, name=learner.name, store_words=_chosen(learner, known))
        self._learners[learner.identity] = learner
        return learner

    def get(self, identity: str) -> LearnerLesson | None:
        return self._learners.get(identity)

    def of_account(self, account_id: UUID) -> LearnerLesson | None:
        same = (one for one in self._learners.values() if one.account_id == account_id)
        return next(same, None)

    async def find(self, identity: str) -> LearnerLesson:
        """A sender, also one whom the media server has not announced yet. Raises RefusedError."""
        learner = self._learners.get(identity)
        if learner is not None:
            return learner
        place = self._place
        async with db.tenant_tx(self._pool, place.tenant_id) as conn:
            account = await find_account_by_identity(conn, place.tenant_id, identity)
            if account is None:
                raise RefusedError("you are not in this room")
            row = await find_room_learner(conn, place.tenant_id, place.room.id, account.id)
        if row is None:
            raise RefusedError("you are not in this room")
        return self.add(
            LearnerLesson(account.id, identity, account.name, row.lesson_id, row.revision)
        )

    async def settled(self, learner: LearnerLesson) -> LearnerLesson:
        """The learner with the lesson that the database has; nothing is announced."""
        place = self._place
        async with db.tenant_tx(self._pool, place.tenant_id) as conn:
            row = await find_room_learner(conn, place.tenant_id, place.room.id, learner.account_id)
        if row is not None:
            self._apply(learner, row.lesson_id, row.revision, announce=False)
        return self._learners.get(learner.identity, learner)

    async def news(self, news: LearnerLesson, revised: bool) -> None:
        """Metadata of the room or a participant; only a server can write either.

        Without a revision it comes from a server that knows none: then it is a request.
        """
        learner = self.of_account(news.account_id)
        if learner is None:
            return
        if _chosen(news, learner) != learner.store_words:
            learner = replace(learner, store_words=news.store_words)
            self._learners[learner.identity] = learner
        if news.lesson_id is None:
            return
        if revised and news.revision > learner.revision:
            await self._adopt(learner, news.lesson_id, news.revision)
            await self.reread()  # nothing counts but what the database took
        elif not revised and news.lesson_id != learner.lesson_id:
            await self.request(learner, news.lesson_id)

    async def _adopt(self, learner: LearnerLesson, lesson_id: UUID, revision: int) -> None:
        """Keeps the database's counter level with metadata that another program wrote."""
        place = self._place
        async with db.tenant_tx(self._pool, place.tenant_id) as conn:
            await rooms.adopt_lesson(
                conn,
                place.tenant_id,
                place.room,
                learner.account_id,
                lesson_id,
                revision=revision,
                now=datetime.now(UTC),
            )

    async def asked(self, identity: str, change: protocol.LessonChange) -> int:
        """A learner's request or hint; returns the revision that holds now. Raises RefusedError."""
        learner = await self.find(identity)
        if change.revision is None:
            return await self.request(learner, change.lesson_id)
        await self.reread()
        return self._learners[identity].revision

    async def request(
        self, learner: LearnerLesson, lesson_id: UUID, *, announce: bool = True
    ) -> int:
        """Changes a learner's lesson in the database, here, then in the metadata.

        Returns the revision. Raises RefusedError.
        """
        place = self._place
        try:
            async with db.tenant_tx(self._pool, place.tenant_id) as conn:
                account = await find_account(conn, place.tenant_id, learner.account_id)
                if account is None:
                    raise RefusedError("you are not in this room")
                revision, changed = await rooms.change_lesson(
                    conn, place.tenant_id, place.room, account, lesson_id, now=datetime.now(UTC)
                )
        except (db.NotFound, db.Forbidden) as error:
            raise RefusedError("that lesson is not in this module") from error
        if changed:
            self._apply(learner, lesson_id, revision, announce=announce)
            async with db.tenant_tx(self._pool, place.tenant_id) as conn:
                await rooms.publish_lesson(
                    self._livekit, conn, place.tenant_id, place.room, account, lesson_id, revision
                )
        return revision

    async def reread(self) -> None:
        """Takes over what the database says."""
        place = self._place
        async with db.tenant_tx(self._pool, place.tenant_id) as conn:
            rows = await list_room_learners(conn, place.tenant_id, place.room.id)
        for row in rows:
            if learner := self.of_account(row.account_id):
                self._apply(learner, row.lesson_id, row.revision)

    async def reread_forever(self) -> None:
        while True:
            await asyncio.sleep(REREAD_EVERY_S)
            await self.refresh()

    async def refresh(self) -> None:
        """As `reread`; changes nothing while the database is away."""
        try:
            await self.reread()
        except db.AWAY:
            logger.warning("lessons not read again: the database does not answer")

    def _apply(
        self,
        learner: LearnerLesson,
        lesson_id: UUID | None,
        revision: int,
        *,
        announce: bool = True,
    ) -> None:
        known = self._learners.get(learner.identity, learner)
        moved = apply(known, lesson_id, revision)
        if moved is known:
            return
        self._learners[moved.identity] = moved
        logger.info(
            "lesson changed",
            extra={"lesson_id": str(lesson_id), "revision": revision, "applied_at": time.time()},
        )
        self._moved(moved, announce and moved.lesson_id != known.lesson_id)


def _chosen(news: LearnerLesson, known: LearnerLesson) -> bool | None:
    """Whether words are stored, by the news, or as before where they do not tell."""
    return known.store_words if news.store_words is None else news.store_words
