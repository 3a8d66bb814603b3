"""The learners of a room, and what is known about each of them."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from livekit.agents.voice import SpeechHandle

from agent.text.turn_end import Pauses
from db.members import Member
from protocol import RoomMetadata
from tools.desk import Asker

UNKNOWN = UUID(int=0)  # the account of a learner who could not be read yet


@dataclass(frozen=True)
class News:
    """What metadata says about a learner. Only servers with the API key can write it."""

    user_id: str  # their identity; other programs may write their account id
    lesson_id: UUID | None
    revision: int
    declines: bool = False  # their words must not be stored until their choice is read
    revised: bool = True  # False: sent by a server without revisions, as a request


@dataclass(frozen=True)
class Connection:
    sid: str
    joined_at: datetime


@dataclass(eq=False, kw_only=True)
class Learner(Asker):
    """One learner, from when they first appear in this room until the agent leaves it."""

    identity: str
    revision: int = 0  # of the lesson; the higher one wins
    choice: bool | None = None  # about storing; None until it is read from the database
    choice_revision: int = -1
    blocked: bool = False  # by an operator: the tutor does not answer them
    refused: bool = False  # they turned out to be no learner of this room
    connection: Connection | None = None  # None while they are not in the room
    met: bool = False  # this agent has greeted them
    announced_lesson_id: UUID | None = None  # the lesson last announced to them
    newest_speech: SpeechHandle | None = None  # said to them now, or last
    pauses: Pauses = field(default_factory=Pauses)  # inside their turns; nobody else is told
    typing: bool = False
    video_playing: bool = False
    announcement: asyncio.Task[None] | None = None  # waits to announce their lesson
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)  # the tutor changes their lesson
    addressing: asyncio.Lock = field(default_factory=asyncio.Lock)  # one authored line at a time

    @property
    def known(self) -> bool:
        """False until their account is read: the database was away when they appeared."""
        return self.account_id != UNKNOWN

    @property
    def store_words(self) -> bool | None:
        """Whether their words and the answers to them are stored; None if not known yet."""
        return False if self.refused else self.choice

    def take_storage_choice(self, member: Member) -> None:
        """Takes the choice that was read, unless a newer one was: reads arrive in any order.

        The same revision can be read with another choice: metadata has said otherwise in between,
        or the learner has not agreed to the text of a new version.
        """
        if member.store_words_revision >= self.choice_revision:
            self.choice, self.choice_revision = member.store_words, member.store_words_revision

    def move_to_lesson(self, lesson_id: UUID | None, revision: int) -> bool:
        """Moves to a lesson unless the revision is known or older. True if anything changed."""
        if revision <= self.revision or lesson_id is None:
            return False
        self.lesson_id, self.revision = lesson_id, revision
        return True


class Roster:
    def __init__(self) -> None:
        self._learners: dict[str, Learner] = {}

    def __iter__(self) -> Iterator[Learner]:
        return iter(self._learners.values())

    def get(self, identity: str | None) -> Learner | None:
        return self._learners.get(identity) if identity else None

    def find_by_account(self, account_id: UUID) -> Learner | None:
        return next((one for one in self if one.account_id == account_id), None)

    def find_by_user_id(self, user_id: str) -> Learner | None:
        """The learner with this identity or account id."""
        account_id = _parse_uuid(user_id)
        return self.get(user_id) or (self.find_by_account(account_id) if account_id else None)

    def list_present(self) -> list[Learner]:
        return [one for one in self if one.connection is not None]

    def add(self, member: Member) -> Learner:
        """Adds a learner of the room, or updates them to a newer row."""
        learner = self.get(member.identity) or self.add_unknown(member.identity)
        if not learner.known:
            learner.account_id = member.account_id
            learner.lesson_id, learner.revision = member.lesson_id, member.revision
        learner.name, learner.blocked = member.name, member.blocked
        learner.take_storage_choice(member)
        return learner

    def add_unknown(self, identity: str) -> Learner:
        learner = Learner(identity=identity, account_id=UNKNOWN, name="", lesson_id=None)
        self._learners[identity] = learner
        return learner

    def remove(self, learner: Learner) -> None:
        self._learners.pop(learner.identity, None)

    def decline_storing(self, user_id: str) -> None:
        """Switches storing off for a learner until their choice is read again."""
        if learner := self.find_by_user_id(user_id):
            learner.choice = False


def news_from_metadata(user_id: str, metadata: RoomMetadata) -> News:
    return News(
        user_id=user_id,
        lesson_id=_parse_uuid(metadata.lesson_id),
        revision=metadata.revision,
        declines=metadata.store_words is False,
        revised="revision" in metadata.model_fields_set,
    )


def _parse_uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
