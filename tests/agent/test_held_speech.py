"""The tutor's speech on its own track: held and said to the end, or cut where it was held."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from livekit import rtc
from livekit.agents.voice import io

from agent.models.espeak import EspeakTTS
from agent.room.tutor_track import QUEUE_MS, RATE, TutorTrack
from tests.agent.room_parts import School, offline

QUESTION = "what is a vector"


@pytest.fixture
async def track() -> AsyncIterator[TutorTrack]:
    source = rtc.AudioSource(RATE, 1, queue_size_ms=QUEUE_MS)
    track = TutorTrack(source)
    track.start()
    playing = asyncio.create_task(track.play_forever())
    yield track
    playing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await playing
    await source.aclose()


def output_of(school: School) -> io.AudioOutput:
    assert school.session.output.audio is not None
    return school.session.output.audio


async def hold_in_the_middle(school: School, track: TutorTrack) -> None:
    """Returns once the tutor has begun to speak and is held."""
    begun = asyncio.Event()
    track.on("playback_started", lambda _event: begun.set())
    await asyncio.wait_for(begun.wait(), 20)
    track.hold()
    output_of(school).pause()


async def test_held_speech_is_said_and_stored_in_full(school: School, track: TutorTrack) -> None:
    voice = EspeakTTS(rate_wpm=400)
    async with school.agent(offline, voice=voice, speaker=track) as classroom:
        amina = await school.arrives("Amina")
        asking = asyncio.create_task(school.ask(amina, QUESTION))
        await hold_in_the_middle(school, track)
        assert not asking.done()
        track.release()
        output_of(school).resume()
        answer = await asking
        own = classroom.conversations.conversation_of(amina.identity).own
        said = [one for one in own if one.by_tutor]
        assert " ".join(one.text for one in said) == answer
        assert not any(one.interrupted for one in said)
    await voice.aclose()


async def test_speech_that_is_cut_while_held_is_stored_as_far_as_it_was_heard(
    school: School, track: TutorTrack
) -> None:
    voice = EspeakTTS(rate_wpm=400)
    async with school.agent(offline, voice=voice, speaker=track) as classroom:
        amina = await school.arrives("Amina")
        whole = asyncio.create_task(school.ask(amina, QUESTION, "t-1"))
        await hold_in_the_middle(school, track)
        assert amina.newest_speech is not None
        amina.newest_speech.interrupt()
        await whole
        track.release()
        output_of(school).resume()
        cut = [
            one.text
            for one in classroom.conversations.conversation_of(amina.identity).own
            if one.by_tutor
        ]
        answer = await school.ask(amina, QUESTION, "t-2")
        assert len(" ".join(cut)) < len(answer)
        assert answer.startswith(" ".join(cut))
    await voice.aclose()
