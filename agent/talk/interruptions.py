"""Voices while the tutor speaks: each makes it pause, and what was said decides how it goes on."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, assert_never

from livekit.agents.voice import SpeechHandle

from agent.room.participant_voice import HeardUtterance
from agent.room.rates import Rates
from agent.text.backchannel import is_backchannel
from telemetry import metrics

# resume: the tutor goes on at the same word; yield: it gives up its turn; wait: not known yet
Decision = Literal["resume", "yield", "wait"]

SHORT_S = 0.35  # a cough or a key lasts less, and hardly a word does
UNCLEAR_S = 1.0  # a voice that could not be understood is a backchannel if it lasts less
SHORT_WAIT_S = 0.6  # after such a voice; recognition has usually found out by then
LONG_WAIT_S = 5.0  # after a longer voice; recognition may take some seconds
TIMER_S = 0.01  # a timer may fire a little early
NOISE_S = 2.5  # a sound without any word that goes on for longer is noise


@dataclass(frozen=True)
class VoiceOverTutor:
    """What is known about a voice that was heard while the tutor spoke. Times are in seconds.

    `text` is empty if there are no words; None if it is not recognised yet, or could not be.
    """

    lasted_s: float
    silent_s: float | None  # since its end; None while it goes on
    text: str | None = None
    is_final: bool = False  # `text` will not change, or only grow
    pauses_tutor: bool = True
    after_question: bool = False  # the tutor had just asked something


def decide(voice: VoiceOverTutor) -> Decision:
    if _asks_for_turn(voice.text, after_question=voice.after_question):
        # text that is not final may be noise after all, and the tutor is silent anyway
        return "yield" if voice.is_final or not voice.pauses_tutor else "wait"
    if voice.is_final and voice.text is None:
        # the tutor asks to repeat what it could not understand, but an "mhm" is often unclear
        limit_s = SHORT_S if voice.after_question else UNCLEAR_S
        return "yield" if voice.lasted_s >= limit_s else "resume"
    if voice.silent_s is None:
        return "resume" if voice.text == "" and voice.lasted_s >= NOISE_S else "wait"
    if voice.is_final:
        return "resume"
    wait_s = SHORT_WAIT_S if voice.lasted_s < SHORT_S else LONG_WAIT_S
    return "resume" if voice.silent_s >= wait_s else "wait"


def _asks_for_turn(text: str | None, *, after_question: bool) -> bool:
    """Whether there are words, and not only a backchannel."""
    return bool(text and (after_question or not is_backchannel(text)))


class InterruptibleVoice(Protocol):
    """The tutor's voice."""

    def current_speech(self) -> SpeechHandle | None:
        """What the tutor is saying or about to say, if it may be interrupted."""

    def has_just_asked(self) -> bool: ...

    def hold(self) -> None:
        """Is silent at once, until `release`."""

    def release(self) -> None:
        """Goes on at the same word."""


@dataclass(eq=False)
class Interruption:
    """A voice over the tutor's. `pauses_tutor` ends with the decision."""

    identity: str
    speech: SpeechHandle  # of the tutor
    after_question: bool
    began_at: float
    ended_at: float | None = None
    lasted_s: float = 0.0
    text: str | None = None
    is_final: bool = False
    said: str = ""  # the words of earlier pieces that asked for the turn
    pauses_tutor: bool = False

    def note_text(self, heard: HeardUtterance) -> None:
        """Takes an interim, or the final or gap of one piece of the voice.

        A long voice arrives in pieces. One that asks for the turn is not waited for to end.
        """
        is_missed = heard.kind == "missed"
        words = self.said if is_missed else f"{self.said} {heard.text}".strip()
        self.text = None if is_missed and not words else words
        if heard.kind == "interim":
            return
        if not is_missed and _asks_for_turn(heard.text, after_question=self.after_question):
            self.said = words
        self.is_final = is_missed or bool(self.said) or not heard.continues

    def facts(self, now: float) -> VoiceOverTutor:
        ended = self.ended_at is not None
        return VoiceOverTutor(
            lasted_s=self.lasted_s if ended else now - self.began_at,
            silent_s=now - self.ended_at if self.ended_at is not None else None,
            text=self.text,
            is_final=self.is_final,
            pauses_tutor=self.pauses_tutor,
            after_question=self.after_question,
        )


class Interruptions:
    """Pauses the tutor for the voices on the floor, and decides when it goes on."""

    def __init__(self, rates: Rates, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._clock = clock
        self._voice: InterruptibleVoice | None = None
        self._pausing: list[Interruption] = []

    def attach_voice(self, voice: InterruptibleVoice) -> None:
        """Sets the voice to interrupt. Call it once, before anything is said."""
        self._voice = voice

    def begin(self, identity: str) -> Interruption | None:
        """Somebody starts to speak on the floor. Returns None if the tutor does not speak.

        Those who often made the tutor pause for nothing do not make it pause; their words do.
        """
        speech = self._voice.current_speech() if self._voice else None
        if self._voice is None or speech is None:
            return None
        one = Interruption(identity, speech, self._voice.has_just_asked(), self._clock())
        if self._rates.wait_s(identity, "pause") == 0:
            self._pause_for(one, self._voice)
        return one

    def end(self, one: Interruption, lasted_s: float) -> None:
        """The voice has ended; its words may still be on their way."""
        one.ended_at, one.lasted_s = self._clock(), lasted_s
        loop = asyncio.get_running_loop()
        for wait_s in (SHORT_WAIT_S, LONG_WAIT_S):
            loop.call_later(wait_s + TIMER_S, self._apply_decision, one)

    def hear(self, one: Interruption, heard: HeardUtterance) -> Decision:
        if heard.kind == "late":
            return "wait"
        one.note_text(heard)
        return self._apply_decision(one)

    def _pause_for(self, one: Interruption, voice: InterruptibleVoice) -> None:
        one.pauses_tutor = True
        self._pausing.append(one)
        voice.hold()
        one.speech.add_done_callback(self._on_speech_done)

    def _apply_decision(self, one: Interruption) -> Decision:
        decision = decide(one.facts(self._clock()))
        match decision:
            case "resume":
                if one.pauses_tutor:
                    self._count_false_pause(one)
                    self._end_pause_of(one)
            case "yield":
                if one.speech.allow_interruptions:
                    one.speech.interrupt(source="audio_activity")
            case "wait":
                pass
            case _:
                assert_never(decision)
        return decision

    def _count_false_pause(self, one: Interruption) -> None:
        metrics.FALSE_INTERRUPTIONS.inc()
        self._rates.allow(one.identity, "pause")

    def _end_pause_of(self, one: Interruption) -> None:
        one.pauses_tutor = False
        self._pausing.remove(one)
        # a speech that was interrupted is not to be heard again
        if self._voice and not self._pausing and not one.speech.interrupted:
            self._voice.release()

    def _on_speech_done(self, speech: SpeechHandle) -> None:
        for one in [one for one in self._pausing if one.speech is speech]:
            one.pauses_tutor = False
            self._pausing.remove(one)
        if self._voice and not self._pausing:
            self._voice.release()
