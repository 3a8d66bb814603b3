"""Captions follow the voice word by word, and stop where it is interrupted."""

import asyncio
import time
from collections.abc import Callable

from livekit import rtc
from livekit.agents.voice import io

from agent.room.timed_captions import TimedCaptions
from agent.room.voice_timeline import mark_text_end

RATE = 24_000
FIRST, SECOND = "Gradient descent takes small steps.", " Each one lowers the loss."
TEXT = FIRST + SECOND


class Speaker(io.AudioOutput):
    """A sink that plays when the test says so, and can be paused."""

    def __init__(self) -> None:
        super().__init__(
            label="speaker",
            capabilities=io.AudioOutputCapabilities(pause=True),
            sample_rate=RATE,
        )

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)  # abstract there, but it counts the segment

    def flush(self) -> None:
        super().flush()

    def clear_buffer(self) -> None: ...

    def start(self) -> None:
        self.on_playback_started(created_at=0.0)

    def finish(self, played_s: float, *, interrupted: bool = False) -> None:
        self.on_playback_finished(playback_position=played_s, interrupted=interrupted)


class Page(io.TextOutput):
    """Collects captions: one list of words for each speech."""

    def __init__(self) -> None:
        super().__init__(label="page", next_in_chain=None)
        self.speeches: list[list[str]] = []
        self._open = False
        self.shown = asyncio.Event()

    @property
    def text(self) -> str:
        return "".join(word for speech in self.speeches for word in speech)

    async def wait_for_text(self, text: str) -> None:
        async with asyncio.timeout(10):
            while self.text != text:
                self.shown.clear()
                await self.shown.wait()

    async def capture_text(self, text: str) -> None:
        if not self._open:
            self._open = True
            self.speeches.append([])
        self.speeches[-1].append(text)
        self.shown.set()

    def flush(self) -> None:
        self._open = False


class Talk:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.speaker, self.page = Speaker(), Page()
        self.timing = TimedCaptions(self.speaker, self.page, clock=clock)
        self.heard: list[str | None] = []  # what the agent session is told
        self.timing.audio_output.on(
            "playback_finished", lambda event: self.heard.append(event.synchronized_transcript)
        )

    async def write(self, text: str = TEXT) -> None:
        await self.timing.text_output.capture_text(text)

    async def speak(self, seconds: float, text_end: int | None = None) -> None:
        samples = int(seconds * RATE)
        frame = rtc.AudioFrame(bytes(2 * samples), RATE, 1, samples)
        if text_end is not None:
            mark_text_end(frame, text_end)
        await self.timing.audio_output.capture_frame(frame)

    async def speak_text(self, seconds: float = 1.0) -> None:
        """Writes TEXT and speaks each of its sentences in so many seconds."""
        await self.write()
        await self.speak(seconds, len(FIRST))
        await self.speak(seconds, len(TEXT))
        self.end()

    def end(self) -> None:
        self.timing.text_output.flush()
        self.timing.audio_output.flush()


async def test_words_are_shown_one_by_one_while_the_voice_plays() -> None:
    talk = Talk()
    await talk.speak_text(seconds=0.05)
    assert talk.page.speeches == []
    talk.speaker.start()
    await talk.page.wait_for_text(TEXT)
    assert len(talk.page.speeches[0]) == len(TEXT.split())
    talk.speaker.finish(0.1)
    await talk.timing.aclose()
    assert talk.heard == [TEXT]


async def test_words_after_a_gap_in_the_sound_follow_when_it_goes_on() -> None:
    talk = Talk()
    talk.speaker.start()
    await talk.write(FIRST)
    await talk.speak(0.05, len(FIRST))
    await talk.page.wait_for_text(FIRST)
    await talk.write(SECOND)
    await talk.speak(0.05, len(TEXT))
    talk.end()
    await talk.page.wait_for_text(TEXT)
    talk.speaker.finish(0.1)
    await talk.timing.aclose()
    assert talk.heard == [TEXT]
    assert len(talk.page.speeches) == 1


async def test_whole_text_is_shown_when_the_voice_has_finished_first() -> None:
    talk = Talk()
    await talk.speak_text()
    talk.speaker.start()
    talk.speaker.finish(2.0)
    await talk.timing.wait_until_shown()
    assert "".join(talk.page.speeches[0]) == TEXT


async def test_interrupted_speech_shows_and_reports_the_words_that_were_played() -> None:
    talk = Talk()
    await talk.speak_text()
    talk.speaker.start()
    talk.speaker.finish(1.3, interrupted=True)
    await talk.timing.wait_until_shown()
    assert talk.heard == [FIRST + " Each one"]
    assert "".join(talk.page.speeches[0]) == FIRST + " Each one"


async def test_cut_position_is_mapped_by_the_sentences_that_were_synthesised() -> None:
    """The text is complete, its second sentence has no sound yet, and a task is cancelled."""
    talk = Talk()
    await talk.write()
    await talk.speak(2.4, len(FIRST))

    async def forward() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            talk.end()

    forwarding = asyncio.create_task(forward())
    await asyncio.sleep(0)
    forwarding.cancel()
    await asyncio.gather(forwarding, return_exceptions=True)
    talk.speaker.start()
    talk.speaker.finish(1.0, interrupted=True)
    await talk.timing.wait_until_shown()
    assert talk.heard == ["Gradient descent"]


async def test_next_speech_is_shown_after_the_last_words_of_the_one_before() -> None:
    talk = Talk()
    await talk.speak_text()
    talk.speaker.start()
    talk.speaker.finish(2.0)
    await talk.write("Good.")
    await talk.speak(0.5, 5)
    talk.end()
    talk.speaker.start()
    talk.speaker.finish(0.5)
    await talk.timing.wait_until_shown()
    assert ["".join(one) for one in talk.page.speeches] == [TEXT, "Good."]
    assert talk.heard == [TEXT, "Good."]


async def test_text_whose_voice_made_no_sound_is_not_shown() -> None:
    talk = Talk()
    await talk.write("Nobody heard this.")
    talk.end()
    await talk.write("Good.")
    await talk.speak(0.5, 5)
    talk.end()
    talk.speaker.start()
    talk.speaker.finish(0.5)
    await talk.timing.wait_until_shown()
    assert ["".join(one) for one in talk.page.speeches] == ["Good."]


async def test_text_of_a_voice_that_failed_is_cut_where_its_sound_ends() -> None:
    talk = Talk()
    await talk.write()
    await talk.speak(2.4, len(FIRST))
    talk.timing.audio_output._mark_input_truncated()
    talk.end()
    talk.speaker.start()
    talk.speaker.finish(2.4)
    await talk.timing.wait_until_shown()
    assert talk.heard == [FIRST]


async def test_nothing_is_shown_while_the_voice_is_paused() -> None:
    talk = Talk()
    await talk.speak_text(seconds=0.05)
    talk.timing.audio_output.pause()
    talk.speaker.start()
    with_nothing_shown = asyncio.create_task(talk.page.shown.wait())
    await asyncio.wait([with_nothing_shown], timeout=0.3)  # three times the length of the sound
    assert not with_nothing_shown.done()
    talk.timing.audio_output.resume()
    await asyncio.wait_for(with_nothing_shown, 10)
    talk.speaker.finish(0.1)
    await talk.timing.aclose()
    assert talk.heard == [TEXT]


async def test_words_follow_the_sound_that_is_played_again_after_each_pause() -> None:
    now = 100.0
    talk = Talk(lambda: now)
    await talk.speak_text(seconds=35.0)  # a second for each character of FIRST
    talk.speaker.start()
    for _ in range(2):
        now += 11.0
        talk.timing.audio_output.pause()
        talk.timing.rewind(10.0)
        talk.timing.audio_output.resume()
    now += 5.0  # at 7 s of the sound
    talk.timing.audio_output.pause()
    talk.timing.audio_output.resume()
    await talk.page.wait_for_text("Gradient")  # the middle of "descent" is at 12.5 s
    talk.speaker.finish(11.0, interrupted=True)
    await talk.timing.wait_until_shown()
    assert talk.heard == ["Gradient"]
    assert talk.page.text == "Gradient"


async def test_words_stop_when_the_output_is_taken_away() -> None:
    talk = Talk()
    await talk.speak_text()
    talk.timing.text_output.on_detached()
    await talk.timing.wait_until_shown()
    assert talk.page.speeches == []
