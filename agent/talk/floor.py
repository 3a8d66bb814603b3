"""The floor: presents several voices as the single user that an agent session expects."""

import asyncio
from collections.abc import AsyncGenerator

from livekit import rtc
from livekit.agents import utils, vad

from agent.models.voice_activity import WINDOW_S
from agent.room.participant_voice import HeardUtterance


class Floor(vad.VAD):
    """Listens to all voices, and is the agent session's VAD.

    For the session, speech lasts from the first voice's start to the last voice's end. The learner
    who started first has the floor; it passes to the next one when they stop.
    """

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=WINDOW_S))
        self._stream = _FloorStream()
        self._utterances: asyncio.Queue[HeardUtterance] = asyncio.Queue()
        self._speaking: list[str] = []  # identities, the holder of the floor first
        self._open = 0  # utterances that started and have no final yet
        self._closed = False

    @property
    def is_quiet(self) -> bool:
        """True if nobody is speaking and all speech is recognised and taken."""
        return self._open == 0 and self._utterances.empty()

    def stream(self) -> vad.VADStream:
        return self._stream

    def on_speech(self, identity: str, event: vad.VADEvent) -> None:
        match event.type:
            case vad.VADEventType.START_OF_SPEECH:
                self._open += 1
                self._speaking.append(identity)
                passes = len(self._speaking) == 1
            case vad.VADEventType.END_OF_SPEECH:
                self._speaking.remove(identity)
                passes = not self._speaking
            case _:
                passes = self._speaking[0] == identity
        if passes:
            self._stream.send_event(event)

    def on_utterance(self, heard: HeardUtterance) -> None:
        if heard.kind == "late" and (self._closed or self._speaking):
            return  # no need to ask the learner to wait
        if heard.kind in ("final", "missed") and not heard.continues:
            self._open -= 1
        self._utterances.put_nowait(heard)

    async def utterances(self) -> AsyncGenerator[HeardUtterance, None]:
        """Yields utterances as they arrive. Each counts as taken when the next is requested."""
        while True:
            heard = await self._utterances.get()
            try:
                yield heard
            finally:
                self._utterances.task_done()

    def drop_late_utterances(self) -> None:
        """Passes on no more `late` utterances: another agent may be speaking already."""
        self._closed = True

    async def wait_until_taken(self) -> None:
        await self._utterances.join()


class _FloorStream(vad.VADStream):
    """The events that the floor sends; pushed audio is ignored."""

    def __init__(self) -> None:
        # the base class would start two tasks and copy every event for metrics that nobody reads
        self._events: utils.aio.Chan[vad.VADEvent] = utils.aio.Chan()

    def send_event(self, event: vad.VADEvent) -> None:
        if not self._events.closed:
            self._events.send_nowait(event)

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        pass

    def flush(self) -> None:
        pass

    def end_input(self) -> None:
        self._events.close()

    async def aclose(self) -> None:
        self.end_input()

    async def __anext__(self) -> vad.VADEvent:
        return await self._events.__anext__()

    async def _main_task(self) -> None:
        """Abstract in the base class; there is no task to run."""
