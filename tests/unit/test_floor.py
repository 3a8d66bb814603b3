"""Who has the floor when somebody goes on speaking while others wait."""

import pytest
from livekit.agents import vad

from agent.models.voice_activity import WINDOW_S
from agent.room.participant_voice import HeardKind, HeardUtterance, Place
from agent.talk.floor import ASIDE_S, HOLD_AGAIN_S, HOLD_S, MAX_ASIDE_S, Floor

Speech = vad.VADEventType


class Room:
    """Learners who speak on a floor, in steps of one voice activity window."""

    def __init__(self) -> None:
        self.now = 100.0
        self.set_aside: list[str] = []
        self.may_interrupt = True
        self.floor = Floor(
            self.set_aside.append, lambda _identity: self.may_interrupt, clock=lambda: self.now
        )
        self.stream = self.floor.stream()

    def start(self, identity: str) -> None:
        self._send(identity, Speech.START_OF_SPEECH)

    def stop(self, identity: str) -> None:
        self._send(identity, Speech.END_OF_SPEECH)

    def speak(self, seconds: float, *identities: str) -> None:
        for _ in range(round(seconds / WINDOW_S)):
            self.now += WINDOW_S
            for identity in identities:
                self._send(identity, Speech.INFERENCE_DONE)

    def recognise(self, identity: str, kind: HeardKind = "final") -> None:
        self.floor.on_utterance(HeardUtterance(kind, identity, "1-1", 0.0, 1.0, text="yes"))

    async def places(self, count: int) -> list[Place]:
        """Where the next utterances were said."""
        utterances = self.floor.utterances()
        found = [(await anext(utterances)).place for _ in range(count)]
        await utterances.aclose()
        return found

    async def heard_by_session(self) -> list[vad.VADEventType]:
        """The starts and ends of speech that the agent session got."""
        self.stream.end_input()
        events = [event.type async for event in self.stream]
        return [kind for kind in events if kind is not Speech.INFERENCE_DONE]

    def _send(self, identity: str, kind: vad.VADEventType) -> None:
        self.floor.on_speech(identity, vad.VADEvent(kind, 0, 0.0, 0.0, 0.0))


@pytest.fixture
async def room() -> Room:
    return Room()


async def test_noise_that_never_stops_loses_the_floor_to_one_who_waits(room: Room) -> None:
    room.start("noise")
    room.speak(30, "noise")
    room.start("amina")
    room.speak(1, "noise", "amina")
    room.stop("amina")
    room.recognise("amina")
    assert room.set_aside == ["noise"]
    assert not room.floor.wants_interims("noise")
    assert await room.places(1) == ["floor"]
    assert room.floor.is_quiet  # so the tutor answers
    room.speak(60, "noise")
    assert await room.heard_by_session() == [Speech.START_OF_SPEECH, Speech.END_OF_SPEECH]


async def test_what_was_said_before_is_answered_later_and_the_rest_is_not(room: Room) -> None:
    room.start("tomas")
    room.floor.note_waiting("amina")  # by typing
    room.speak(9, "tomas")
    room.stop("tomas")
    room.recognise("tomas")
    room.recognise("tomas")
    assert await room.places(2) == ["queue", "aside"]
    assert await room.heard_by_session() == [Speech.START_OF_SPEECH, Speech.END_OF_SPEECH]


async def test_short_phrases_in_a_row_lose_the_floor_too(room: Room) -> None:
    for _ in range(20):
        room.floor.note_waiting("amina")
        room.start("noise")
        room.speak(1, "noise")
        room.stop("noise")
        room.recognise("noise")
        room.now += 0.3
    places = await room.places(20)
    assert places[:5] == ["floor"] * 5
    assert places.count("aside") >= 6


async def test_nobody_is_set_aside_while_nobody_waits(room: Room) -> None:
    room.start("amina")
    room.speak(60, "amina")
    room.stop("amina")
    room.recognise("amina")
    assert room.set_aside == []
    assert await room.places(1) == ["floor"]


async def test_learners_who_take_turns_are_never_set_aside(room: Room) -> None:
    for _ in range(20):
        for identity in ("amina", "tomas"):
            room.start(identity)
            room.speak(3, identity)
            room.stop(identity)
            room.recognise(identity)
            room.now += 6  # the tutor answers
    assert room.set_aside == []
    assert set(await room.places(40)) == {"floor"}


async def test_the_floor_is_free_again_after_a_while_and_later_each_time(room: Room) -> None:
    offs = []
    for _ in range(5):
        room.floor.note_waiting("amina")
        room.start("noise")
        while "noise" not in room.set_aside:
            room.floor.note_waiting("amina")
            room.speak(WINDOW_S, "noise")
        room.stop("noise")
        room.set_aside.clear()
        began = room.now
        while True:
            room.now += 1
            room.start("noise")
            is_aside = not room.floor.wants_interims("noise")
            room.stop("noise")
            if not is_aside:
                break
        offs.append(room.now - began)
    assert offs[:3] == pytest.approx([ASIDE_S, 2 * ASIDE_S, 4 * ASIDE_S], abs=1.1)
    assert max(offs) <= MAX_ASIDE_S + 1.1


async def test_joining_again_does_not_give_the_floor_back(room: Room) -> None:
    room.start("noise")
    room.floor.note_waiting("amina")
    for _ in range(20):
        room.speak(1, "noise")
        room.stop("noise")
        room.recognise("noise")
        room.floor.note_left("noise")
        room.floor.note_waiting("amina")
        room.start("noise")
    places = await room.places(20)
    assert places[:6] == ["floor"] * 6
    assert "floor" not in places[10:]


async def test_who_was_set_aside_is_not_forgiven_for_joining_again(room: Room) -> None:
    room.start("noise")
    room.floor.note_waiting("amina")
    room.speak(HOLD_S + 3, "noise")
    room.stop("noise")
    room.recognise("noise")
    room.recognise("noise")
    room.floor.note_left("noise")
    room.now += ASIDE_S
    room.floor.note_left("noise")
    room.floor.note_waiting("amina")
    room.start("noise")
    room.speak(HOLD_AGAIN_S + 1, "noise")
    assert room.set_aside == ["noise", "noise"]


async def test_who_may_not_interrupt_is_answered_later_and_not_heard_by_the_session(
    room: Room,
) -> None:
    room.may_interrupt = False
    room.start("tomas")
    room.speak(3, "tomas")
    room.stop("tomas")
    room.recognise("tomas")
    room.may_interrupt = True
    room.start("tomas")
    room.speak(1, "tomas")
    room.stop("tomas")
    room.recognise("tomas")
    assert await room.places(2) == ["queue", "floor"]
    assert await room.heard_by_session() == [Speech.START_OF_SPEECH, Speech.END_OF_SPEECH]


async def test_learners_who_have_left_are_forgotten(room: Room) -> None:
    for number in range(1000):
        room.start(f"l_{number}")
        room.stop(f"l_{number}")
        room.recognise(f"l_{number}")
        room.floor.note_left(f"l_{number}")
        room.now += 5
    assert len(room.floor._speakers) <= 3
