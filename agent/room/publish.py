"""Messages to the room. A failure is logged and never ends the conversation."""

import contextlib
import logging
from collections.abc import Iterator, Sequence

from livekit import rtc
from pydantic import BaseModel

import protocol

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def guard_message(kind: str, **facts: str | int) -> Iterator[None]:
    """Logs any error in its body. `kind` names the message; `facts` go into the log line."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 LiveKit's native layer raises bare exceptions
        why = type(error).__name__
        logger.warning("message not sent", extra={"kind": kind, "why": why, **facts})


async def send_message(
    room: rtc.Room, topic: str, message: BaseModel, *, to: Sequence[str] = (), **facts: str | int
) -> None:
    """Sends a data message to these identities, or to everyone if there are none."""
    with guard_message(topic, **facts):
        await room.local_participant.publish_data(
            protocol.dump(message), topic=topic, destination_identities=list(to)
        )


async def set_attribute(room: rtc.Room, name: str, value: str) -> None:
    with guard_message(name):
        await room.local_participant.set_attributes({name: value})
