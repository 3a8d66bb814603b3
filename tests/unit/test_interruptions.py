"""Voices over the tutor's: which pause it, which take its turn, and after which it goes on."""

import asyncio

import pytest
from livekit.agents import vad
from livekit.agents.voice import SpeechHandle

from agent.models.voice_activity import WINDOW_S
from agent.room.participant_voice import HeardKind, HeardUtterance
from agent.room.rates import RATES, Rates
from agent.talk.floor import Floor
from agent.talk.interruptions import (
    LONG_WAIT_S,
    NOISE_S,
    SHORT_S,
    SHORT_WAIT_S,
    UNCLEAR_S,
    Decision,
    Interruptions,
    VoiceOverTutor,
    decide,
)

WORD_S = SHORT_S + 0.1
COUGH_S = SHORT_S - 0.1


@pytest.mark.parametrize(
    ("voice", "expected"),
    [
        # nothing is recognised yet
        (VoiceOverTutor(0.1, None), "wait"),
        (VoiceOverTutor(20.0, None), "wait"),
        (VoiceOverTutor(COUGH_S, 0.0), "wait"),
        (VoiceOverTutor(COUGH_S, SHORT_WAIT_S), "resume"),
        (VoiceOverTutor(WORD_S, SHORT_WAIT_S), "wait"),
        (VoiceOverTutor(WORD_S, LONG_WAIT_S), "resume"),
        # no words
        (VoiceOverTutor(COUGH_S, 0.0, "", is_final=True), "resume"),
        (VoiceOverTutor(3.0, 0.0, "", is_final=True), "resume"),
        (VoiceOverTutor(0.7, None, ""), "wait"),
        (VoiceOverTutor(NOISE_S, None, ""), "resume"),
        # backchannels
        (VoiceOverTutor(WORD_S, 0.0, "mhm", is_final=True), "resume"),
        (VoiceOverTutor(WORD_S, None, "mhm"), "wait"),
        (VoiceOverTutor(5.0, None, "okay yeah"), "wait"),
        (VoiceOverTutor(29.0, None, "okay", is_final=True), "wait"),
        (VoiceOverTutor(WORD_S, 0.0, "Yes.", is_final=True, after_question=True), "yield"),
        # words
        (VoiceOverTutor(WORD_S, 0.0, "stop", is_final=True), "yield"),
        (VoiceOverTutor(COUGH_S, 0.0, "no", is_final=True), "yield"),
        (VoiceOverTutor(1.0, None, "what is"), "wait"),
        (VoiceOverTutor(1.0, None, "what is", pauses_tutor=False), "yield"),
        # not recognised at all
        (VoiceOverTutor(WORD_S, 0.5, None, is_final=True), "resume"),
        (VoiceOverTutor(UNCLEAR_S, 0.5, None, is_final=True), "yield"),
        (VoiceOverTutor(29.0, None, None, is_final=True), "yield"),
        (VoiceOverTutor(COUGH_S, 0.5, None, is_final=True, after_question=True), "resume"),
        (VoiceOverTutor(WORD_S, 0.5, None, is_final=True, after_question=True), "yield"),
    ],
)
def test_decision(voice: VoiceOverTutor, expected: Decision) -> None:
    assert decide(voice) == expected


class Room:
    """A tutor who speaks, and learners on a floor."""

    def __init__(self) -> None:
        self.now = 100.0
        self.speech: SpeechHandle | None = SpeechHandle.create()
        self.asked = False
        self._silent = False
        self.rates = Rates(clock=lambda: self.now)
        self.interruptions = Interruptions(self.rates, clock=lambda: self.now)
        self.interruptions.attach_voice(self)
        self.floor = Floor(
            lambda _identity: None, interruptions=self.interruptions, clock=lambda: self.now
        )

    def current_speech(self) -> SpeechHandle | None:
        return self.speech

    def has_just_asked(self) -> bool:
        return self.asked

    def hold(self) -> None:
        self._silent = True

    def release(self) -> None:
        self._silent = False

    def is_silent(self) -> bool:
        """Whether the tutor's speech is held."""
        return self._silent

    def start(self, identity: str = "amina") -> None:
        self._send(identity, vad.VADEventType.START_OF_SPEECH)

    def stop(self, identity: str = "amina", *, lasted_s: float = WORD_S) -> None:
        self.now += lasted_s
        self._send(identity, vad.VADEventType.END_OF_SPEECH, lasted_s)

    def recognise(
        self,
        text: str,
        identity: str = "amina",
        kind: HeardKind = "final",
        *,
        continues: bool = False,
    ) -> None:
        self.floor.on_utterance(
            HeardUtterance(kind, identity, "1-1", 0.0, 1.0, text=text, continues=continues)
        )

    async def end_speech(self) -> None:
        """The agent session has ended what the tutor said."""
        assert self.speech is not None
        self.speech._mark_done()
        self.speech = None
        await asyncio.sleep(0)  # callbacks run in the next step of the loop
        await asyncio.sleep(0)

    async def heard(self) -> HeardUtterance:
        return await asyncio.wait_for(anext(self.floor.utterances()), 5)

    def _send(self, identity: str, kind: vad.VADEventType, lasted_s: float = 0.0) -> None:
        event = vad.VADEvent(
            type=kind,
            samples_index=0,
            timestamp=self.now,
            speech_duration=lasted_s,
            silence_duration=WINDOW_S,
        )
        self.floor.on_speech(identity, event)


@pytest.fixture
async def room() -> Room:
    return Room()


async def test_any_voice_pauses_the_tutor_and_a_backchannel_lets_it_go_on(room: Room) -> None:
    room.start()
    assert room.is_silent()
    room.stop()
    assert room.is_silent()
    room.recognise("okay")
    assert not room.is_silent()
    assert room.speech
    assert not room.speech.interrupted
    heard = await room.heard()
    assert (heard.text, heard.place) == ("okay", "backchannel")


async def test_words_take_the_turn_and_the_tutor_stays_silent(room: Room) -> None:
    speech = room.speech
    room.start()
    room.stop()
    room.recognise("stop")
    assert speech
    assert speech.interrupted
    assert room.is_silent()
    assert (await room.heard()).place == "floor"
    await room.end_speech()
    assert not room.is_silent()  # for the next speech


async def test_answer_to_a_question_takes_the_turn(room: Room) -> None:
    room.asked = True
    room.start()
    room.asked = False  # when it began is what counts
    room.stop()
    room.recognise("yes")
    assert room.speech
    assert room.speech.interrupted
    assert (await room.heard()).place == "floor"


async def test_okay_is_answered_if_the_tutor_was_silent(room: Room) -> None:
    room.speech = None
    room.start()
    room.stop()
    room.recognise("okay")
    assert (await room.heard()).place == "floor"
    assert not room.is_silent()


async def test_speech_that_may_not_be_interrupted_goes_on(room: Room) -> None:
    room.speech = None  # what `current_speech` returns then
    room.start()
    assert not room.is_silent()


async def test_tutor_does_not_go_on_while_anybody_speaks(room: Room) -> None:
    room.start("amina")
    room.start("tomas")
    room.stop("amina")
    room.recognise("mhm", "amina")
    assert room.is_silent()
    room.stop("tomas")
    room.recognise("", "tomas")
    assert not room.is_silent()


async def test_tutor_does_not_go_on_after_a_backchannel_if_another_took_the_turn(
    room: Room,
) -> None:
    room.start("amina")
    room.start("tomas")
    room.stop("amina")
    room.recognise("what is a vector", "amina")
    room.stop("tomas")
    room.recognise("mhm", "tomas")
    assert room.is_silent()
    await room.end_speech()
    assert not room.is_silent()


async def test_speech_that_ends_on_its_own_ends_the_pause(room: Room) -> None:
    room.start()
    assert room.speech
    room.speech.interrupt()  # by a typed turn
    await room.end_speech()
    assert not room.is_silent()
    room.stop()
    room.recognise("okay")
    assert not room.is_silent()


async def test_words_after_the_tutor_went_on_still_take_the_turn(room: Room) -> None:
    room.start()
    room.recognise("", kind="interim")
    room.now += NOISE_S
    room.recognise("", kind="interim")
    assert not room.is_silent()
    room.recognise("what is a", kind="interim")
    assert room.speech
    assert room.speech.interrupted


@pytest.mark.parametrize("kind", ["final", "missed"])
async def test_voice_that_does_not_end_takes_the_turn_with_its_first_piece(
    room: Room, kind: HeardKind
) -> None:
    room.start()
    room.now += 29.0
    room.recognise("the slope" if kind == "final" else "", kind=kind, continues=True)
    assert room.speech
    assert room.speech.interrupted
    await room.end_speech()
    assert not room.is_silent()


async def test_okay_at_the_end_of_a_long_turn_does_not_undo_it(room: Room) -> None:
    room.start()
    room.now += 29.0
    room.recognise("the slope is negative", continues=True)
    room.stop()
    room.recognise("okay")
    assert room.is_silent()
    assert [(await room.heard()).place, (await room.heard()).place] == ["floor", "floor"]


async def test_noise_that_goes_on_after_an_okay_lets_the_tutor_go_on(room: Room) -> None:
    room.start()
    room.now += 29.0
    room.recognise("okay", continues=True)
    assert room.is_silent()
    room.recognise("", kind="interim")
    assert not room.is_silent()
    assert room.speech
    assert not room.speech.interrupted


async def test_unclear_mhm_is_kept_as_a_gap_but_not_asked_for_again(room: Room) -> None:
    room.start()
    room.stop()
    room.recognise("", kind="missed")
    assert not room.is_silent()
    heard = await room.heard()
    assert (heard.kind, heard.place) == ("missed", "backchannel")


async def test_noise_is_not_shown_as_an_interim(room: Room) -> None:
    room.start()
    room.recognise("", kind="interim")
    room.recognise("what is", kind="interim")
    assert (await room.heard()).text == "what is"


async def test_who_pauses_the_tutor_for_nothing_all_the_time_does_so_no_more(room: Room) -> None:
    for _ in range(RATES["pause"].burst):
        room.start("tomas")
        assert room.is_silent()
        room.stop("tomas", lasted_s=0.0)
        room.recognise("", "tomas")
    room.start("tomas")
    assert not room.is_silent()
    room.stop("tomas", lasted_s=0.0)
    room.recognise("", "tomas")
    room.start("amina")
    assert room.is_silent()
    room.stop("amina")
    room.recognise("", "amina")
    room.start("tomas")
    room.recognise("wait please", "tomas", kind="interim")
    assert room.speech
    assert room.speech.interrupted


async def test_pauses_that_ended_in_a_turn_are_not_limited(room: Room) -> None:
    for _ in range(2 * RATES["pause"].burst):
        room.speech = SpeechHandle.create()
        room.start()
        assert room.is_silent()
        room.stop(lasted_s=0.0)
        room.recognise("stop")
        await room.end_speech()


async def test_voice_that_is_never_recognised_lets_the_tutor_go_on(room: Room) -> None:
    room.start()
    room.stop(lasted_s=COUGH_S)
    room.now += SHORT_WAIT_S + 0.1
    async with asyncio.timeout(10):
        while room.is_silent():  # noqa: ASYNC110 the timer of the voice
            await asyncio.sleep(0.02)
