"""Where the time of each turn went: logged, and told to the room for its debug drawer."""

import asyncio
import logging
from typing import Any

from livekit import rtc
from livekit.agents import ConversationItemAddedEvent, utils

import protocol
from telemetry import metrics

TURN_PARTS = {
    "end_of_turn": "end_of_turn_delay",
    "text": "llm_node_ttft",
    "first_audio": "tts_node_ttfb",
}

logger = logging.getLogger("bodh.agent")


class Latency:
    """Joins what livekit-agents measures at a learner's message and at the tutor's reply to it."""

    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self._turn = 0
        self._asked: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def on_item(self, event: ConversationItemAddedEvent) -> None:
        """The delays of a turn, in seconds and without a word of it."""
        role = getattr(event.item, "role", "")
        measured = getattr(event.item, "metrics", None) or {}
        delays = {name: value for name, value in measured.items() if isinstance(value, float)}
        for part, name in TURN_PARTS.items():
            if name in delays:
                metrics.TURN_SECONDS.observe(delays[name], part=part)
        if delays:
            logger.info("turn", extra={"role": role, **delays})
        if role == "user":
            self._asked = delays
        elif role == "assistant" and "tts_node_ttfb" in delays:
            self._spawn(self._tell({**self._asked, **delays}))
            self._asked = {}

    async def close(self) -> None:
        """What the room does not take any more is dropped; it is logged already."""
        await utils.aio.cancel_and_wait(*self._tasks)

    async def _tell(self, delays: dict[str, float]) -> None:
        self._turn += 1
        message = protocol.TurnLatency(
            turn=self._turn,
            end_of_turn_s=delays.get("end_of_turn_delay"),
            speech_to_text_s=delays.get("transcription_delay"),
            first_token_s=delays.get("llm_node_ttft"),
            first_sound_s=delays.get("tts_node_ttfb"),
            total_s=delays.get("e2e_latency"),
        )
        try:
            await self._room.local_participant.publish_data(
                protocol.dump(message), topic=protocol.TOPIC_TURN_LATENCY
            )
        except Exception:  # noqa: BLE001 the native layer raises it bare
            logger.warning("latency not told", extra={"turn": self._turn})

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
