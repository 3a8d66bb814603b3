"""A sentence is stored for the learner it was said to, even if the one before it was cut."""

import asyncio
import time

import pytest
from livekit import rtc
from livekit.agents.voice import io

from agent.models.espeak import EspeakTTS
from tests.agent.room_parts import School, offline

FIRST, SECOND = "The answer to Amina is short.", "The answer to Tomas is longer than that one."
PLAYED_IN_S = 0.05


class Speaker(io.AudioOutput):
    """Plays sound within 50 ms, or never while it is `stuck`, as a slow network does."""

    def __init__(self) -> None:
        super().__init__(
            label="speaker",
            capabilities=io.AudioOutputCapabilities(pause=False),
            sample_rate=22_050,
        )
        self.stuck = False
        self.got_sound = asyncio.Event()
        self._duration_s = 0.0
        self._began = False

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self._duration_s += frame.duration
        self.got_sound.set()
        if not self.stuck and not self._began:
            self._began = True
            self.on_playback_started(created_at=time.time())

    def flush(self) -> None:
        super().flush()
        if not self.stuck and self._duration_s:
            asyncio.get_running_loop().call_later(PLAYED_IN_S, self._end, False)

    def clear_buffer(self) -> None:
        if self._duration_s:
            asyncio.get_running_loop().call_soon(self._end, True)

    def _end(self, interrupted: bool) -> None:
        played_s = 0.0 if self.stuck else self._duration_s
        self._duration_s, self._began = 0.0, False
        self.on_playback_finished(playback_position=played_s, interrupted=interrupted)


@pytest.mark.parametrize("round_", range(4))
async def test_line_that_is_cut_before_its_first_word_takes_no_word_of_the_next(
    school: School, round_: int
) -> None:
    speaker = Speaker()
    async with school.agent(offline, voice=EspeakTTS(rate_wpm=400), speaker=speaker) as classroom:
        amina, tomas = await school.arrives("Amina"), await school.arrives("Tomas")
        speaker.stuck = True
        first = asyncio.create_task(classroom.tutor_speech.say(FIRST, amina))
        if round_ % 2:
            await asyncio.wait_for(speaker.got_sound.wait(), 10)
        else:
            await asyncio.sleep(0)
        classroom.tutor_speech.interrupt_speech_to(amina)
        await asyncio.wait_for(first, 10)
        speaker.stuck = False
        await asyncio.wait_for(classroom.tutor_speech.say(SECOND, tomas), 20)
        await classroom.tutor_captions.wait_until_recorded()
        own = {
            learner.name: [
                one.text for one in classroom.conversations.conversation_of(learner.identity).own
            ]
            for learner in (amina, tomas)
        }
    assert own == {"Amina": [], "Tomas": [SECOND]}
