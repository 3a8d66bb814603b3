"""The latency of a turn is sent from a task that never outlives the job."""

import asyncio
from typing import cast

from livekit import rtc
from livekit.agents import ConversationItemAddedEvent, llm

from agent.room.latency import Latency


class StuckRoom:
    """A room where publishing never returns, as on a connection that is being lost."""

    def __init__(self) -> None:
        self.local_participant = self
        self.asked = asyncio.Event()
        self.asking = False

    async def publish_data(self, payload: bytes, **_: object) -> None:
        self.asking = True
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.asking = False


async def test_message_that_is_never_sent_is_dropped_when_the_job_ends() -> None:
    room = StuckRoom()
    latency = Latency(cast("rtc.Room", room))
    reply = llm.ChatMessage(role="assistant", content=["a"], metrics={"tts_node_ttfb": 0.2})
    latency.on_conversation_item(ConversationItemAddedEvent(item=reply))
    await asyncio.wait_for(room.asked.wait(), 1)
    await latency.close()
    assert not room.asking
