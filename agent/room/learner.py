"""The learners of a room, and what is known about each of them."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from livekit.agents.voice import SpeechHandle

from protocol import RoomMetadata
from tools.desk import Asker


@dataclass(frozen=True)
class News:
    """What metadata says about a learner. Only servers with the API key can write it."""

    account_id: UUID
    name: str
    lesson_id: UUID | None
    revision: int
    store_words: bool | None  # None if not included
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
    store_words: bool | None = None  # False: their words and the answers to them are not stored
    connection: Connection | None = None  # None while they are not in the room
    met: bool = False  # this agent has greeted them
    announced_lesson_id: UUID | None = None  # the lesson last announced to them
    newest_speech: SpeechHandle | None = None  # said to them now, or last
    announcement: asyncio.Task[None] | None = None  # waits to announce their lesson
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)  # the tutor changes their lesson

    def take_news(self, news: News) -> None:
        self.name = news.name or self.name
        self.take_storage_choice(news)
        self.move_to_lesson(news.lesson_id, news.revision)

    def take_storage_choice(self, news: News) -> None:
        if news.store_words is not None:
            self.store_words = news.store_words

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

    def list_present(self) -> list[Learner]:
        return [one for one in self if one.connection is not None]

    def add(self, identity: str, news: News) -> Learner:
        learner = self.get(identity)
        if learner is None:
            learner = self._learners[identity] = Learner(
                identity=identity,
                account_id=news.account_id,
                name=news.name,
                lesson_id=news.lesson_id,
                revision=news.revision,
            )
        learner.take_news(news)
        return learner


def news_from_metadata(name: str, metadata: RoomMetadata) -> News | None:
    """Parses metadata of our server. Returns None if it names no account."""
    account_id = _parse_uuid(metadata.user_id)
    if account_id is None:
        return None
    told = metadata.model_fields_set
    return News(
        account_id=account_id,
        name=name or metadata.user_name,
        lesson_id=_parse_uuid(metadata.lesson_id),
        revision=metadata.revision,
        # a server that does not send the choice must not reset it
        store_words=metadata.store_words if "store_words" in told else None,
        revised="revision" in told,
    )


def _parse_uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
