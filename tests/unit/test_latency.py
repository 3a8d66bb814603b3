"""Where a turn's time went is told beside the talk, and never outlives the job."""

import asyncio
from typing import cast

from livekit import rtc
from livekit.agents import ConversationItemAddedEvent, llm

from agent.room.latency import Latency


class StuckRoom:
    """A room that takes no data and does not say so, as on a connection that is being lost."""

    def __init__(self) -> None:
        self.local_participant = self
        self.asked = asyncio.Event()
        self.asking = False

    async def publish_data(self, payload: bytes, *, topic: str) -> None:
        self.asking = True
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.asking = False


async def test_what_cannot_be_told_ends_with_the_job() -> None:
    room = StuckRoom()
    latency = Latency(cast("rtc.Room", room))
    reply = llm.ChatMessage(role="assistant", content=["a"], metrics={"tts_node_ttfb": 0.2})
    latency.on_item(ConversationItemAddedEvent(item=reply))
    await asyncio.wait_for(room.asked.wait(), 1)
    await latency.close()
    assert not room.asking
