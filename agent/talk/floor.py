"""The floor: presents several voices as the single user that an agent session expects."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace

from livekit import rtc
from livekit.agents import utils, vad

from agent.models.voice_activity import WINDOW_S
from agent.room.participant_voice import HeardUtterance, Place
from agent.talk.interruptions import Interruption, Interruptions

HOLD_S = 6.0  # on the floor while others wait: 8 s without a pause, or more with pauses
HOLD_AGAIN_S = 2.0  # for one who had to leave the floor of late: enough for a short question
LEAK = 0.25  # seconds on the floor that are forgotten with each second that passes
WAIT_S = 10.0  # a learner waits for the tutor until this long after they spoke or typed
ASIDE_S = 10.0  # how long one who had the floor for too long must leave it; doubled each time
MAX_ASIDE_S = 60.0
FORGIVEN_S = 60.0  # after which HOLD_S and ASIDE_S count again


@dataclass
class _OpenUtterance:
    place: Place
    interruption: Interruption | None = None  # of the tutor, by this utterance


@dataclass
class _Speaker:
    had_s: float = 0.0  # seconds on the floor, less what has leaked by `counted_at`
    counted_at: float = 0.0
    waits_since: float = float("-inf")  # when they last spoke or typed
    aside_until: float = float("-inf")
    aside_s: float = 0.0  # how long they last had to leave the floor
    place: Place = "floor"  # of what they are saying now
    open: deque[_OpenUtterance] = field(default_factory=deque)  # those without a final

    def count_time(self, now: float, more_s: float = 0.0) -> float:
        """Adds to the time on the floor, and returns it."""
        self.had_s = max(0.0, self.had_s - LEAK * (now - self.counted_at)) + more_s
        self.counted_at = now
        return self.had_s


class Floor(vad.VAD):
    """Listens to all voices, and is the agent session's VAD.

    For the session, speech lasts from the first voice's start to the last voice's end. The learner
    who started first has the floor; it passes to the next one when they stop, or after HOLD_S if
    others wait. Then they are set aside: their words are recognised, but not answered, and do not
    interrupt the tutor. The words of somebody who may not interrupt the tutor just now are answered
    when it has finished.
    """

    def __init__(
        self,
        on_set_aside: Callable[[str], None],
        may_interrupt: Callable[[str], bool] = lambda _identity: True,
        interruptions: Interruptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_set_aside` must end the learner's utterance; what follows is another one.

        `may_interrupt` is asked when a learner starts to speak.
        """
        super().__init__(capabilities=vad.VADCapabilities(update_interval=WINDOW_S))
        self._on_set_aside = on_set_aside
        self._may_interrupt = may_interrupt
        self._interruptions = interruptions
        self._clock = clock
        self._stream = _FloorStream()
        self._utterances: asyncio.Queue[HeardUtterance] = asyncio.Queue()
        self._speaking: list[str] = []  # identities on the floor, its holder first
        self._speakers: dict[str, _Speaker] = {}
        self._closed = False

    @property
    def is_quiet(self) -> bool:
        """True if nobody has the floor and all speech on it is recognised and taken."""
        waiting = any(
            utterance.place == "floor"
            for speaker in self._speakers.values()
            for utterance in speaker.open
        )
        return not waiting and self._utterances.empty()

    def stream(self) -> vad.VADStream:
        return self._stream

    def note_waiting(self, identity: str) -> None:
        self._speaker_of(identity).waits_since = self._clock()

    def note_left(self, identity: str) -> None:
        """A learner who has left waits no longer. What they had of the floor still counts.

        Else they could have it for good, by joining again and again.
        """
        self._speaker_of(identity).waits_since = float("-inf")
        self._speakers = {
            one: speaker for one, speaker in self._speakers.items() if self._is_remembered(speaker)
        }

    def _is_remembered(self, speaker: _Speaker) -> bool:
        now = self._clock()
        return (
            bool(speaker.open)
            or not self._is_forgiven(speaker)
            or now - speaker.waits_since < WAIT_S
            or speaker.count_time(now) > 0
        )

    def on_speech(self, identity: str, event: vad.VADEvent) -> None:
        speaker = self._speaker_of(identity)
        speaker.waits_since = self._clock()
        match event.type:
            case vad.VADEventType.START_OF_SPEECH:
                self._on_speech_start(identity, speaker, event)
            case vad.VADEventType.END_OF_SPEECH:
                self._on_speech_end(identity, speaker, event)
            case _:
                self._continue_speech(identity, speaker, event)

    def _on_speech_start(self, identity: str, speaker: _Speaker, event: vad.VADEvent) -> None:
        now = self._clock()
        if speaker.count_time(now) > self._hold_limit_s(speaker) and self._others_wait(identity):
            self._keep_off_floor(speaker)
        if now < speaker.aside_until:
            speaker.place = "aside"
        else:
            speaker.place = "floor" if self._may_interrupt(identity) else "queue"
        speaker.open.append(_OpenUtterance(speaker.place))
        if speaker.place != "floor":
            return
        if self._interruptions:
            speaker.open[-1].interruption = self._interruptions.begin(identity)
        self._speaking.append(identity)
        if len(self._speaking) == 1:
            self._stream.send_event(event)

    def _on_speech_end(self, identity: str, speaker: _Speaker, event: vad.VADEvent) -> None:
        if speaker.place != "floor":
            speaker.place = "floor"
            return
        self._end_interruption(speaker, event)
        self._speaking.remove(identity)
        if not self._speaking:
            self._stream.send_event(event)

    def _end_interruption(self, speaker: _Speaker, event: vad.VADEvent) -> None:
        interruption = speaker.open[-1].interruption if speaker.open else None
        if self._interruptions and interruption:
            self._interruptions.end(interruption, event.speech_duration)

    def _continue_speech(self, identity: str, speaker: _Speaker, event: vad.VADEvent) -> None:
        if speaker.place != "floor":
            return
        had_s = speaker.count_time(self._clock(), WINDOW_S)
        if had_s > self._hold_limit_s(speaker) and self._others_wait(identity):
            self._set_aside(identity, speaker, event)
        elif self._speaking[0] == identity:
            self._stream.send_event(event)

    def _others_wait(self, identity: str) -> bool:
        since = self._clock() - WAIT_S
        return any(
            speaker.waits_since > since and speaker.place != "aside"
            for other, speaker in self._speakers.items()
            if other != identity
        )

    def _hold_limit_s(self, speaker: _Speaker) -> float:
        return HOLD_S if self._is_forgiven(speaker) else HOLD_AGAIN_S

    def _is_forgiven(self, speaker: _Speaker) -> bool:
        return self._clock() - speaker.aside_until > FORGIVEN_S

    def _keep_off_floor(self, speaker: _Speaker) -> None:
        again = not self._is_forgiven(speaker)
        speaker.aside_s = min(2 * speaker.aside_s, MAX_ASIDE_S) if again else ASIDE_S
        speaker.aside_until = self._clock() + speaker.aside_s
        speaker.had_s = 0.0

    def _set_aside(self, identity: str, speaker: _Speaker, event: vad.VADEvent) -> None:
        """Passes the floor on in the middle of an utterance, which is split here."""
        self._keep_off_floor(speaker)
        speaker.place = "aside"
        self._end_interruption(speaker, event)
        if speaker.open:
            speaker.open[-1].place = "queue"
        speaker.open.append(_OpenUtterance("aside"))
        self._speaking.remove(identity)
        if not self._speaking:
            end = vad.VADEventType.END_OF_SPEECH
            self._stream.send_event(replace(event, type=end, speaking=False))
        self._on_set_aside(identity)

    def wants_interims(self, identity: str) -> bool:
        return self._speaker_of(identity).place != "aside"

    def on_utterance(self, heard: HeardUtterance) -> None:
        if heard.kind == "late" and (self._closed or self._speaking):
            return  # no need to ask the learner to wait
        speaker = self._speaker_of(heard.identity)
        utterance = speaker.open[0] if speaker.open else _OpenUtterance("floor")
        if heard.kind in ("final", "missed") and not heard.continues and speaker.open:
            speaker.open.popleft()
        place = self._decide_place(utterance, heard)
        if heard.kind == "interim" and not heard.text:
            return  # it only shows that a noise has no words
        if heard.kind != "late" or place == "floor":
            self._utterances.put_nowait(replace(heard, place=place))

    def _decide_place(self, utterance: _OpenUtterance, heard: HeardUtterance) -> Place:
        """Where it was said; "backchannel" if it does not ask the tutor to stop."""
        if not self._interruptions or not utterance.interruption:
            return utterance.place
        decision = self._interruptions.hear(utterance.interruption, heard)
        was_speech = heard.kind == "missed" or (heard.kind == "final" and heard.text)
        is_backchannel = decision == "resume" and was_speech
        return "backchannel" if is_backchannel else utterance.place

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

    def _speaker_of(self, identity: str) -> _Speaker:
        return self._speakers.setdefault(identity, _Speaker())


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
