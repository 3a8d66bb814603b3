"""Each learner's lesson, and their choice about storing words.

The database decides; notifications only speed it up.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from livekit import api

import db
import protocol
import rooms
from agent.room.dispatch import Dispatch
from agent.room.learner import Learner, News, Roster
from agent.room.tasks import Tasks
from db.accounts import find_account
from db.members import Member, find_member, list_members, record_storing_choice_read
from db.rooms import RoomLearner, find_room_learner

REREAD_EVERY_S = 1.0  # finds a change within this if its notification is lost
READ_S = 1.0  # joins wait no longer for a database that does not answer

logger = logging.getLogger(__name__)


class RefusedError(Exception):
    """The sender is not in this room or may not open the lesson. The message is for the sender."""


class Lessons:
    """Keeps the roster in sync with the database.

    `moves` receives each learner whose lesson has changed. `choices_read` is set whenever choices
    about storing were read.
    """

    def __init__(
        self, dispatch: Dispatch, pool: db.Pool, livekit: api.LiveKitAPI, roster: Roster
    ) -> None:
        self.moves: asyncio.Queue[Learner] = asyncio.Queue()
        self.choices_read = asyncio.Event()
        self._dispatch = dispatch
        self._pool = pool
        self._livekit = livekit
        self._roster = roster
        self._members: dict[str, Member] = {}  # by identity, as read last
        self._rereading = asyncio.Lock()  # an older read must not replace a newer one
        self._removals = Tasks("removals")  # nobody waits for the media server

    async def find_or_read_sender(self, identity: str) -> Learner:
        """The sender of a message, even if not announced by LiveKit yet. Raises RefusedError."""
        learner = self._roster.get(identity) or await self.read_into_roster(identity)
        if learner.blocked:
            raise RefusedError("your account is blocked")
        return learner

    async def read_into_roster(self, identity: str) -> Learner:
        """Reads a learner who joins. While the database is away, what was read last holds.

        Who was never read is unknown until the database is back. Raises RefusedError if they are
        no learner of this room, or blocked.
        """
        try:
            async with asyncio.timeout(READ_S):
                member = await self._read_member(identity)
        except db.AWAY:
            if (learner := self._roster.get(identity)) is not None:
                return learner
            if identity not in self._members:
                return self._roster.add_unknown(identity)
            member = self._members[identity]
        if member is None:
            raise RefusedError("you are not in this room")
        learner = self._roster.add(member)
        if learner.blocked:
            self._removals.spawn(self._remove_blocked_from_room(learner))
            raise RefusedError("your account is blocked")
        learner.move_to_lesson(member.lesson_id, member.revision)
        self.choices_read.set()
        return learner

    async def _remove_blocked_from_room(self, learner: Learner) -> None:
        """If the media server does not respond, the watcher tries again."""
        try:
            name = self._dispatch.room.name
            await rooms.remove_participant(self._livekit, name, learner.identity)
        except rooms.MEDIA_ERRORS as error:
            logger.warning("blocked account not removed", extra={"kind": type(error).__name__})

    async def _read_member(self, identity: str) -> Member | None:
        dispatch = self._dispatch
        async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
            return await find_member(conn, dispatch.tenant_id, dispatch.room.id, identity)

    async def reread_lesson(self, learner: Learner) -> None:
        dispatch = self._dispatch
        async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
            row = await find_room_learner(
                conn, dispatch.tenant_id, dispatch.room.id, learner.account_id
            )
        if row is not None:
            self._move_learner(learner, row.lesson_id, row.revision)

    async def apply_news(self, news: News) -> None:
        if news.declines:  # metadata may switch storing off until the next read, and never on
            self._roster.decline_storing(news.user_id)
            self.choices_read.set()
        learner = self._roster.find_by_user_id(news.user_id)
        if learner is None or news.lesson_id is None:
            return
        if not news.revised:
            if news.lesson_id != learner.lesson_id:
                await self.change_lesson(learner, news.lesson_id)
        elif news.revision > learner.revision:
            row = await self._read_or_adopt_lesson(learner, news.lesson_id, news.revision)
            if row is not None:
                self._move_learner(learner, row.lesson_id, row.revision)

    async def _read_or_adopt_lesson(
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
        learner = await self.find_or_read_sender(identity)
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

    async def sync_with_database(self) -> None:
        """Reads everyone's lesson and choice. Changes nothing if the database is away."""
        async with self._rereading:
            try:
                members = await self._read_members()
                await self._identify_or_remove_unknown()
                self._apply_members(members)
                for learner in self._roster.list_present():
                    if learner.blocked:
                        self._removals.spawn(self._remove_blocked_from_room(learner))
                await self._record_choices_as_read(members)
            except db.AWAY:
                logger.warning("lessons not read: the database is away")

    async def _read_members(self) -> list[Member]:
        dispatch, here = self._dispatch, [one.identity for one in self._roster]
        async with db.tenant_tx(self._pool, dispatch.tenant_id) as conn:
            return await list_members(conn, dispatch.tenant_id, dispatch.room.id, here)

    async def _identify_or_remove_unknown(self) -> None:
        for learner in [one for one in self._roster if not one.known]:
            member = await self._read_member(learner.identity)
            if member is not None:
                self._roster.add(member)
            else:
                learner.refused = True
                self._roster.remove(learner)

    def _apply_members(self, members: Sequence[Member]) -> None:
        self._members = {member.identity: member for member in members}
        for member in members:
            if learner := self._roster.get(member.identity):
                learner.take_storage_choice(member)
                learner.blocked = member.blocked
                self._move_learner(learner, member.lesson_id, member.revision)
        self.choices_read.set()

    async def _record_choices_as_read(self, members: Sequence[Member]) -> None:
        """Tells the token server which changed choices this agent follows from now on."""
        new = [one for one in members if one.store_words_read < one.store_words_revision]
        if not new:
            return
        tenant_id, room_id = self._dispatch.tenant_id, self._dispatch.room.id
        async with db.tenant_tx(self._pool, tenant_id) as conn:
            for one in new:
                await record_storing_choice_read(
                    conn, tenant_id, room_id, one.account_id, one.store_words_revision
                )

    async def sync_with_database_forever(self) -> None:
        try:
            while True:
                await self.sync_with_database()
                await asyncio.sleep(REREAD_EVERY_S)
        finally:
            await self._removals.close()

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
