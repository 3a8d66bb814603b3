"""What participants may do in a room, and telling their pages what was refused."""

from livekit import rtc

import protocol
from agent.room import publish
from agent.room.rates import Rates
from agent.room.tasks import Tasks

ERRORS: dict[protocol.RefusedKind, str] = {
    "turn": "This was too long, or you sent too much at once. Wait a moment, then send it again.",
    "floor": "Somebody else is waiting for the tutor. Pause for a moment, then ask again.",
    "microphone": "Your microphone was switched too often, so it is off. Reload the page.",
}


class Limits:
    def __init__(self, room: rtc.Room) -> None:
        self.rates = Rates()
        self._room = room
        self._tasks = Tasks("limits")

    def send_refusal(
        self, identity: str, kind: protocol.RefusedKind, *, stream_id: str = ""
    ) -> None:
        if self.rates.allow(identity, "refusal"):
            message = protocol.Refused(kind=kind, error=ERRORS[kind], stream_id=stream_id)
            self._tasks.spawn(
                publish.send_message(self._room, protocol.TOPIC_REFUSED, message, to=[identity])
            )

    async def close(self) -> None:
        await self._tasks.close()
