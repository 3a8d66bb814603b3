"""The latency of each turn: logged, and sent to the page's debug drawer."""

import logging

from livekit import rtc
from livekit.agents import ConversationItemAddedEvent

import protocol
from agent.room import publish
from agent.room.tasks import Tasks
from telemetry import metrics

TURN_PARTS = {
    "end_of_turn": "end_of_turn_delay",
    "text": "llm_node_ttft",
    "first_audio": "tts_node_ttfb",
}

logger = logging.getLogger("bodh.agent")


class Latency:
    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self._turn = 0
        self._asked: dict[str, float] = {}
        self._tasks = Tasks("latency")

    def on_conversation_item(self, event: ConversationItemAddedEvent) -> None:
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
            self._tasks.spawn(self._send_turn_latency({**self._asked, **delays}))
            self._asked = {}

    async def close(self) -> None:
        await self._tasks.close()

    async def _send_turn_latency(self, delays: dict[str, float]) -> None:
        self._turn += 1
        message = protocol.TurnLatency(
            turn=self._turn,
            end_of_turn_s=delays.get("end_of_turn_delay"),
            speech_to_text_s=delays.get("transcription_delay"),
            first_token_s=delays.get("llm_node_ttft"),
            first_sound_s=delays.get("tts_node_ttfb"),
            total_s=delays.get("e2e_latency"),
        )
        await publish.send_message(
            self._room, protocol.TOPIC_TURN_LATENCY, message, turn=self._turn
        )
