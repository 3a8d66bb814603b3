"""Passes the tutor's words to its captions at the moment when they are heard."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import cast

from livekit import rtc
from livekit.agents import utils
from livekit.agents.voice import io

from agent.room.voice_timeline import PlaybackClock, VoiceTimeline, next_word_end

CLOSE_S = 5.0  # captions that take longer do not hold up the conversation
DRY_S = 0.3  # a voice that makes no sound for so long has said its clause, and waits for the next

logger = logging.getLogger(__name__)


class TimedCaptions:
    """Sits between an agent session and its two outputs: `audio_output` and `text_output`.

    Each word is shown in the middle of its sound. If a speech is interrupted, the session and the
    captions get the same words, those that were heard.
    """

    def __init__(
        self,
        sound: io.AudioOutput,
        captions: io.TextOutput,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._captions = captions
        self._clock = clock
        self._speech: _TimedSpeech | None = None
        self._showing: set[asyncio.Task[None]] = set()  # the last words of speeches that are over
        self._paused = False
        self.audio_output = _TimedSound(self, sound)
        self.text_output = _TimedText(self, captions)

    def current_speech(self) -> "_TimedSpeech":
        if self._speech is None:
            self._speech = _TimedSpeech(self._captions, self._clock)
            if self._paused:
                self._speech.pause()
        return self._speech

    def find_speech(self) -> "_TimedSpeech | None":
        return self._speech

    def release_speech_if_over(self) -> None:
        """Lets the next speech begin if text and sound of the current one have ended."""
        if self._speech is not None and self._speech.text_ended and self._speech.sound_ended:
            self.stop_showing()

    def stop_showing(self) -> None:
        """Shows no more words of the current speech than were heard."""
        if self._speech is not None:
            self._speech.stop()
            self._showing.add(self._speech.task)
            self._speech.task.add_done_callback(self._showing.discard)
            self._speech = None

    def pause(self) -> None:
        self._paused = True
        if self._speech is not None:
            self._speech.pause()

    def rewind(self, seconds: float) -> None:
        """Call it during a pause after which this much of the sound is played again.

        The words that are shown stay; the others follow the sound.
        """
        if self._speech is not None:
            self._speech.rewind(seconds)

    def resume(self) -> None:
        self._paused = False
        if self._speech is not None:
            self._speech.resume()

    async def wait_until_shown(self) -> None:
        """Returns when the captions have all words of the speeches that are over."""
        if not self._showing:
            return
        _, late = await asyncio.wait(self._showing, timeout=CLOSE_S)
        if late:
            logger.warning("the last words of a speech were not shown in time")
            await utils.aio.cancel_and_wait(*late)

    async def aclose(self) -> None:
        self.stop_showing()
        await self.wait_until_shown()


class _TimedSpeech:
    """The text and the sound of one speech, and the task that shows its words."""

    def __init__(self, captions: io.TextOutput, clock: Callable[[], float]) -> None:
        self.text_ended = False
        self.sound_ended = False  # it was played or interrupted, or there was none
        self._captions = captions
        self._text = ""
        self._shown = 0  # characters
        self._limit: int | None = None  # how many are shown in the end, once that is known
        self._truncated = False
        self._timeline = VoiceTimeline()
        self._clock = PlaybackClock(clock)
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._show_words(), name="timed captions")

    def add_text(self, text: str) -> None:
        self._text += text
        self._changed.set()

    def end_text(self) -> None:
        self.text_ended = True
        self._set_limit_if_all_is_heard()

    def add_frame(self, frame: rtc.AudioFrame) -> None:
        self._clock.measure(self._timeline.captured_s)
        self._timeline.add_frame(frame)
        self._changed.set()

    def complete_sound(self, *, whole: bool) -> None:
        """No more sound arrives. Without any sound, nothing is shown."""
        if not self._timeline.captured_s:
            self.sound_ended, self._limit = True, 0
        elif whole and not self._truncated:
            self._timeline.end_sound(len(self._text))
        self._changed.set()

    def mark_truncated(self) -> None:
        """The sound ends before the text does, because the voice failed."""
        self._truncated = True

    def start(self) -> None:
        self._clock.start()
        self._changed.set()

    def pause(self) -> None:
        self._clock.pause(self._timeline.captured_s)
        self._changed.set()

    def rewind(self, seconds: float) -> None:
        self._clock.rewind(seconds)

    def resume(self) -> None:
        self._clock.resume()
        self._changed.set()

    def end_playback(self, position_s: float, *, interrupted: bool) -> str:
        """Returns the text that was heard."""
        self.sound_ended = True
        if interrupted or self._truncated:
            self._limit = self._count_heard_chars(position_s)
        self._set_limit_if_all_is_heard()
        return self._text[: self._limit]

    def stop(self) -> None:
        if self._limit is None:
            self._limit = self._shown
        self._changed.set()

    def _set_limit_if_all_is_heard(self) -> None:
        if self.sound_ended and self.text_ended and self._limit is None:
            self._limit = len(self._text)
        self._changed.set()

    def _count_heard_chars(self, position_s: float) -> int:
        """What is shown already, and the words that were played to their middle."""
        heard = self._shown
        while (end := self._find_word_end(heard)) is not None:
            at = self._timeline.time_of((heard + end) / 2)
            if at is None or at > position_s:
                break
            heard = end
        return heard

    def _find_word_end(self, start: int) -> int | None:
        return next_word_end(
            self._text, start, is_whole=lambda end: self.text_ended or self._timeline.covers(end)
        )

    async def _show_words(self) -> None:
        try:
            while (end := await self._wait_for_next_word()) is not None:
                words, self._shown = self._text[self._shown : end], end
                await self._captions.capture_text(words)
        finally:
            self._captions.flush()

    async def _wait_for_next_word(self) -> int | None:
        """Where the next word ends, once it is heard; None after the last one."""
        while True:
            self._changed.clear()
            if self._limit is not None:
                return self._limit if self._shown < self._limit else None
            end = self._find_word_end(self._shown)
            delay_s = None if end is None else self._seconds_until(end)
            if end is not None and delay_s == 0.0:
                return end
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._changed.wait()

    def _seconds_until(self, end: int) -> float | None:
        """Seconds until the middle of the next word, which ends here; None while not known."""
        if self.sound_ended:
            return 0.0
        captured_s = self._timeline.captured_s
        wait_s = DRY_S - self._clock.seconds_dry(captured_s)
        at = self._timeline.time_of((self._shown + end) / 2, is_complete=wait_s <= 0)
        if at is None or not self._clock.is_running:
            return None
        # a clause without more sound is complete, even if it was taken for longer
        left_s = captured_s - self._clock.position_s(captured_s)
        return max(0.0, at - captured_s + left_s if at <= captured_s else left_s + wait_s)


class _TimedSound(io.AudioOutput):
    def __init__(self, timing: TimedCaptions, sound: io.AudioOutput) -> None:
        super().__init__(
            label="bodh-timed-sound",
            next_in_chain=sound,
            sample_rate=sound.sample_rate,
            capabilities=io.AudioOutputCapabilities(pause=True),
        )
        self._timing = timing
        self._sound = cast(io.AudioOutput, self.next_in_chain)  # livekit-agents has wrapped it

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        speech = self._timing.find_speech()
        if speech is not None and speech.sound_ended:
            self._timing.stop_showing()
        speech = self._timing.current_speech()
        await self._sound.capture_frame(frame)
        await super().capture_frame(frame)
        speech.add_frame(frame)

    def flush(self) -> None:
        super().flush()
        task = asyncio.current_task()
        # livekit-agents also flushes when it cancels the task that forwards the sound
        whole = task is None or not task.cancelling()
        self._timing.current_speech().complete_sound(whole=whole)
        self._timing.release_speech_if_over()
        self._sound.flush()

    def clear_buffer(self) -> None:
        self._sound.clear_buffer()

    def pause(self) -> None:
        super().pause()
        self._timing.pause()

    def resume(self) -> None:
        super().resume()
        self._timing.resume()

    def on_playback_started(self, *, created_at: float) -> None:
        super().on_playback_started(created_at=created_at)
        self._timing.current_speech().start()

    def on_playback_finished(
        self,
        *,
        playback_position: float,
        interrupted: bool,
        synchronized_transcript: str | None = None,
    ) -> None:
        if not self._pending_playback_count:
            return
        if speech := self._timing.find_speech():
            synchronized_transcript = speech.end_playback(
                playback_position, interrupted=interrupted
            )
        super().on_playback_finished(
            playback_position=playback_position,
            interrupted=interrupted,
            synchronized_transcript=synchronized_transcript,
        )
        self._timing.release_speech_if_over()

    def _mark_input_truncated(self) -> None:
        self._timing.current_speech().mark_truncated()
        super()._mark_input_truncated()


class _TimedText(io.TextOutput):
    def __init__(self, timing: TimedCaptions, captions: io.TextOutput) -> None:
        super().__init__(label="bodh-timed-text", next_in_chain=captions)
        self._timing = timing

    async def capture_text(self, text: str) -> None:
        await self._timing.wait_until_shown()
        speech = self._timing.find_speech()
        if speech is not None and speech.text_ended:
            self._timing.stop_showing()
        self._timing.current_speech().add_text(text)

    def flush(self) -> None:
        if speech := self._timing.find_speech():
            speech.end_text()
            self._timing.release_speech_if_over()

    def on_detached(self) -> None:
        super().on_detached()
        self._timing.stop_showing()
