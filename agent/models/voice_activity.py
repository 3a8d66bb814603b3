"""Voice activity, computed in the caller's thread: a window of 32 ms takes about 50 us.

The events and thresholds are those of LiveKit's own detector, which needs a thread per stream.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from livekit import local_inference, rtc
from livekit.agents import vad

from speech.wire import RATE

VAD_WINDOW_SAMPLES = local_inference.VAD_WINDOW_SAMPLES
WINDOW_BYTES = VAD_WINDOW_SAMPLES * 2
WINDOW_S = VAD_WINDOW_SAMPLES / RATE
MIN_SPEECH_S = 0.05
MIN_SILENCE_S = 0.25
PREFIX_S = 0.5  # of sound before the onset that a start event carries
SPEECH_PROBABILITY = 0.5  # probability at which a window counts as speech
SILENCE_PROBABILITY = 0.35  # and below which it no longer does
MAX_SPEECH_S = 60.0  # an end event carries the last minute of longer speech

Change = Literal["start", "end"]


class SpeechJudge:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.speaking = False
        self.speech_s = 0.0
        self.silence_s = 0.0

    def judge_window(self, probability: float) -> Change | None:
        if probability >= (SILENCE_PROBABILITY if self.speaking else SPEECH_PROBABILITY):
            self.speech_s += WINDOW_S
            self.silence_s = 0.0
            if not self.speaking and self.speech_s >= MIN_SPEECH_S:
                self.speaking = True
                return "start"
            return None
        self.silence_s += WINDOW_S
        self.speech_s = 0.0
        if self.speaking and self.silence_s >= MIN_SILENCE_S:
            self.speaking = False
            return "end"
        return None


class VoiceActivity:
    def __init__(self) -> None:
        self._native = local_inference.VAD()
        self._judge = SpeechJudge()
        self._rest = bytearray()  # an incomplete window
        self._speech = bytearray()
        self._samples = 0
        self._speech_s = 0.0
        self._silence_s = 0.0

    @property
    def position_s(self) -> float:
        """Seconds of sound pushed so far; the timestamps of events count on the same clock."""
        return (self._samples + len(self._rest) // 2) / RATE

    def push_frame(self, frame: rtc.AudioFrame) -> list[vad.VADEvent]:
        """The events of a frame, oldest first. Raises ValueError unless it is 16 kHz mono."""
        return [
            event for window in self._cut_windows(frame) for event in self._events_of_window(window)
        ]

    def end_speech(self) -> list[vad.VADEvent]:
        """Drops all sound so far. Returns an end event if somebody was speaking."""
        speaking, silence_s = self._judge.speaking, self._judge.silence_s
        self._judge.reset()
        ended = [self._end_event(silence_s, 0.0)] if speaking else []
        self._native.reset()
        self._rest.clear()
        self._speech.clear()
        self._speech_s = self._silence_s = 0.0
        return ended

    def _cut_windows(self, frame: rtc.AudioFrame) -> Iterator[bytes]:
        if frame.sample_rate != RATE or frame.num_channels != 1:
            raise ValueError("voice activity needs 16 kHz mono frames")
        self._rest += memoryview(frame.data).cast("B")
        while len(self._rest) >= WINDOW_BYTES:
            window = bytes(self._rest[:WINDOW_BYTES])
            del self._rest[:WINDOW_BYTES]
            yield window

    def _events_of_window(self, window: bytes) -> Iterator[vad.VADEvent]:
        probability = self._native.predict(np.frombuffer(window, np.int16))
        self._samples += VAD_WINDOW_SAMPLES
        self._keep_sound(window)
        if self._judge.speaking:
            self._speech_s += WINDOW_S
        else:
            self._silence_s += WINDOW_S
        yield self._make_event(vad.VADEventType.INFERENCE_DONE, window, probability)
        change = self._judge.judge_window(probability)
        if change == "start":
            self._silence_s, self._speech_s = 0.0, self._judge.speech_s
            yield self._make_event(
                vad.VADEventType.START_OF_SPEECH, bytes(self._speech), probability
            )
        elif change == "end":
            yield self._end_event(self._judge.silence_s, probability)

    def _end_event(self, silence_s: float, probability: float) -> vad.VADEvent:
        self._silence_s = silence_s
        self._speech_s = max(0.0, self._speech_s - silence_s)
        event = self._make_event(vad.VADEventType.END_OF_SPEECH, bytes(self._speech), probability)
        self._speech_s = 0.0
        return event

    def _keep_sound(self, window: bytes) -> None:
        silent = not self._judge.speaking and self._judge.speech_s == 0.0
        limit_s = PREFIX_S if silent else MAX_SPEECH_S + PREFIX_S
        del self._speech[: max(0, len(self._speech) - 2 * int(limit_s * RATE))]
        self._speech += window

    def _make_event(self, kind: vad.VADEventType, pcm: bytes, probability: float) -> vad.VADEvent:
        return vad.VADEvent(
            type=kind,
            samples_index=self._samples,
            timestamp=self._samples / RATE,
            speech_duration=self._speech_s,
            silence_duration=self._silence_s,
            frames=[rtc.AudioFrame(pcm, RATE, 1, len(pcm) // 2)],
            probability=probability,
            speaking=self._judge.speaking,
            raw_accumulated_silence=self._judge.silence_s,
            raw_accumulated_speech=self._judge.speech_s,
        )
