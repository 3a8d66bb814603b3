"""What the tutor says to a learner who stays silent after a question: a nudge, an offer, a wait."""

import asyncio
import contextlib
import re
import time
from datetime import UTC, datetime, timedelta

from livekit.agents import AgentSession, SpeechCreatedEvent, UserStateChangedEvent
from livekit.agents.voice import SpeechHandle

import prompts
import protocol
from agent.room.learner import Learner, Roster
from agent.room.tasks import Tasks
from agent.talk.tutor_speech import TutorSpeech
from agent.text.lines import SPEECH
from agent.text.turn_end import Asked, asked_kind

# seconds of silence after a question until the first line
FIRST_S: dict[Asked, float] = {"nothing": 0.0, "fact": 8.0, "calculation": 15.0, "reasoning": 20.0}
JUST_JOINED = timedelta(seconds=20)

_OFFER = re.compile(
    r"(?:shall|would you like|do you want|do you have|are you ready|may i|can i|anything else)\b"
)
_SENTENCE_END = re.compile(r"[.!?]")
_OPTION = re.compile(r"\b[A-H]: ")


def seconds_to_first_nudge(answer: str) -> float | None:
    """None if the answer asks for nothing, or only offers something."""
    before, mark, after = answer.rpartition("?")
    is_last = not after.strip("\"'”’) \n") or _OPTION.search(after)  # noqa: RUF001
    question = _SENTENCE_END.split(before)[-1].strip().lower()
    if not mark or not is_last or _OFFER.search(question):
        return None
    return FIRST_S[asked_kind(answer)]


class Nudges:
    """At most one chain of lines for each question, and only to a learner who is alone here.

    A line is aloud, so with others in the room there is none. The clock stands still while the
    learner speaks, types or watches a video.
    """

    def __init__(
        self,
        roster: Roster,
        tutor_speech: TutorSpeech,
        *,
        tasks: Tasks,
    ) -> None:
        self._roster = roster
        self._tutor_speech = tutor_speech
        self._tasks = tasks
        self._chain: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()  # somebody began or ended to speak, type or watch
        self._silent_since = 0.0
        self._agent_session: AgentSession[None]

    def attach_session(self, agent_session: AgentSession[None]) -> None:
        """Sets the agent session that speaks here. Call it once, before anything is said."""
        self._agent_session = agent_session
        agent_session.on("speech_created", self._on_speech_created)
        agent_session.on("user_state_changed", self._on_user_state)

    def set_activity(self, identity: str, wanted: protocol.ActivitySet) -> None:
        if learner := self._roster.get(identity):
            if wanted.typing is not None:
                learner.typing = wanted.typing
            if wanted.video_playing is not None:
                learner.video_playing = wanted.video_playing
            self._restart_clock()

    def _on_user_state(self, _event: UserStateChangedEvent) -> None:
        self._restart_clock()

    def _restart_clock(self) -> None:
        self._silent_since = time.monotonic()
        self._changed.set()

    def _on_speech_created(self, event: SpeechCreatedEvent) -> None:
        """Anything that is said ends the chain, unless it is said by the chain."""
        if self._chain is not None and self._chain is not asyncio.current_task():
            self._chain.cancel()
        speech = SPEECH.get()
        if speech and speech.identity and speech.turn:
            identity = speech.identity
            event.speech_handle.add_done_callback(lambda handle: self._on_reply(handle, identity))

    def _on_reply(self, handle: SpeechHandle, identity: str) -> None:
        learner = self._roster.get(identity)
        if learner is None or handle.interrupted or not self._may_nudge(learner):
            return
        texts = [one.text_content or "" for one in handle.chat_items if one.type == "message"]
        first_s = seconds_to_first_nudge(" ".join(texts))
        if first_s is not None:
            self._silent_since = time.monotonic()
            self._chain = self._tasks.spawn(self._run_chain(learner, first_s))

    async def _run_chain(self, learner: Learner, first_s: float) -> None:
        lines = [
            (first_s, prompts.render("nudge")),
            (1.5 * first_s, prompts.render("offer_hint")),
            (2.5 * first_s, prompts.render("wait_quietly")),
        ]
        for wait_s, line in lines:
            await self._wait_for_silence(learner, wait_s)
            if not self._may_nudge(learner):
                return
            await self._tutor_speech.say(line, learner, part_of_talk=False)
            self._silent_since = time.monotonic()

    async def _wait_for_silence(self, learner: Learner, seconds: float) -> None:
        """Returns when the learner was silent and at leisure for so long."""
        while True:
            self._changed.clear()
            left_s = None
            if not self._is_occupied(learner):
                left_s = self._silent_since + seconds - time.monotonic()
                if left_s <= 0:
                    return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._changed.wait()

    def _is_occupied(self, learner: Learner) -> bool:
        speaks = self._agent_session.user_state == "speaking"
        return speaks or learner.typing or learner.video_playing

    def _may_nudge(self, learner: Learner) -> bool:
        connection = learner.connection
        if connection is None or self._roster.list_present() != [learner]:
            return False
        return datetime.now(UTC) - connection.joined_at > JUST_JOINED
