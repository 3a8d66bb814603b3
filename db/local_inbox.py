"""The inbox: a SQLite file of this host that keeps webhooks until the watcher applies them."""

import time
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from db.local_erasing import People, delete_webhooks_of, list_people_of_webhooks
from db.local_queue import LocalQueue, Row

KIND = "webhook"


@dataclass(frozen=True)
class MediaEvent:
    """The parts of a webhook that have an effect. The body is not kept, as it contains secrets.

    `at` is when the media server created it, in whole seconds. Fields that do not apply are empty.
    """

    id: str
    name: str
    at: datetime
    room: str = ""
    room_sid: str = ""
    sid: str = ""
    identity: str = ""
    agent: bool = False
    joined_at: datetime | None = None


@dataclass(frozen=True)
class WaitingWebhook:
    seq: int
    age_s: float
    event: MediaEvent


_events = TypeAdapter(MediaEvent)


class LocalInbox(LocalQueue):
    async def put_event(self, event: MediaEvent) -> bool:
        """Returns once the event is on disk; False if it already was. Raises sqlite3.Error."""
        return await self.put_row(Row(KIND, event.id, _events.dump_json(event).decode()))

    async def list_waiting(self, limit: int) -> list[WaitingWebhook]:
        now = time.time()
        return [
            WaitingWebhook(row.seq, now - row.created_at, _events.validate_json(row.payload))
            for row in await self.list_waiting_rows(limit)
        ]

    async def list_people_of_webhooks(self) -> People:
        return await self._run_in_thread(list_people_of_webhooks, self._db)

    async def erase_webhooks_of(self, people: People) -> bool:
        """Deletes webhooks of erased people and sessions. Returns False to be called again."""
        return await self._run_in_thread(delete_webhooks_of, self._db, people)
