"""Voice activity, judged in the caller's thread: one window of 32 ms takes about 50 us."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from livekit import local_inference, rtc
from livekit.agents import utils, vad

RATE = 16_000
VAD_WINDOW_SAMPLES = local_inference.VAD_WINDOW_SAMPLES
WINDOW_BYTES = VAD_WINDOW_SAMPLES * 2
WINDOW_S = VAD_WINDOW_SAMPLES / RATE
MAX_SPEECH_S = 60.0  # longer speech keeps its last minute, as the stock detector's buffer would

Change = Literal["start", "end"]


@dataclass(frozen=True)
class Thresholds:
    """When speech begins and ends; the defaults are those of livekit's own detector."""

    min_speech_s: float = 0.05
    min_silence_s: float = 0.25
    prefix_s: float = 0.5
    activation: float = 0.5
    deactivation: float = 0.35


class Judge:
    """Speech or silence, window after window, for one voice."""

    def __init__(self, thresholds: Thresholds) -> None:
        self.thresholds = thresholds
        self._native = local_inference.VAD()
        self._rest = bytearray()
        self.reset()

    def reset(self) -> None:
        """Forget all audio so far."""
        self._native.reset()
        self._rest.clear()
        self.speaking = False
        self.speech_s = 0.0
        self.silence_s = 0.0

    def windows(self, frame: rtc.AudioFrame) -> Iterator[bytes]:
        """The complete windows that a frame brings; what is over waits for the next frame.

        Raises ValueError where the frame is not 16 kHz mono.
        """
        if frame.sample_rate != RATE or frame.num_channels != 1:
            raise ValueError("voice activity wants 16 kHz mono frames")
        self._rest += memoryview(frame.data).cast("B")
        while len(self._rest) >= WINDOW_BYTES:
            window = bytes(self._rest[:WINDOW_BYTES])
            del self._rest[:WINDOW_BYTES]
            yield window

    def probability(self, window: bytes) -> float:
        """How sure the model is that this window holds speech, 0 to 1."""
        return self._native.predict(np.frombuffer(window, np.int16))

    def judge(self, probability: float) -> Change | None:
        """Counts one window and tells whether speech began or ended with it."""
        rules = self.thresholds
        floor = rules.deactivation if self.speaking else rules.activation
        if probability >= floor:
            self.speech_s += WINDOW_S
            self.silence_s = 0.0
            if not self.speaking and self.speech_s >= rules.min_speech_s:
                self.speaking = True
                return "start"
            return None
        self.silence_s += WINDOW_S
        self.speech_s = 0.0
        if self.speaking and self.silence_s >= rules.min_silence_s:
            self.speaking = False
            return "end"
        return None


class SpeechDetector:
    """Tells when one participant begins and stops to speak; needs no task and no close."""

    def __init__(
        self, min_speech_s: float = 0.05, min_silence_s: float = 0.25, prefix_s: float = 0.5
    ) -> None:
        self._judge = Judge(Thresholds(min_speech_s, min_silence_s, prefix_s))
        # up to a window of speech is heard before it counts, and one may still be incomplete
        self._kept_bytes = 2 * int(RATE * (prefix_s + min_speech_s + 2 * WINDOW_S))
        self._recent = bytearray()

    @property
    def speaking(self) -> bool:
        return self._judge.speaking

    def push(self, frame: rtc.AudioFrame) -> Change | None:
        """Hears a 16 kHz mono frame of up to 250 ms and tells the last change within it."""
        self._recent += memoryview(frame.data).cast("B")
        if len(self._recent) > self._kept_bytes:
            del self._recent[: -self._kept_bytes]
        change: Change | None = None
        for window in self._judge.windows(frame):
            change = self._judge.judge(self._judge.probability(window)) or change
        return change

    def prefix(self) -> bytes:
        """The last PCM pushed (int16, 16 kHz), at "start" about `prefix_s` before the onset on."""
        return bytes(self._recent)

    def reset(self) -> None:
        self._judge.reset()
        self._recent.clear()


class InlineVAD(vad.VAD):
    """livekit's voice activity model without a thread per stream; same events, same defaults."""

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=WINDOW_S))
        self._thresholds = thresholds or Thresholds()

    @property
    def model(self) -> str:
        return "silero"

    @property
    def provider(self) -> str:
        return "livekit-local-inference"

    @property
    def min_silence_duration(self) -> float:
        return self._thresholds.min_silence_s

    def stream(self) -> vad.VADStream:
        return InlineVADStream(self, self._thresholds)


class InlineVADStream(vad.VADStream):
    """Events of one stream, put on its channel while `push_frame` runs."""

    def __init__(self, owner: InlineVAD, thresholds: Thresholds) -> None:
        # the base class would start two tasks and copy every event for metrics nobody reads
        self._vad = owner
        self._judge = Judge(thresholds)
        self._events: utils.aio.Chan[vad.VADEvent] = utils.aio.Chan()
        self._ended = False
        self._forget()

    def _forget(self) -> None:
        self._judge.reset()
        self._speech = bytearray()
        self._samples = 0
        self._speech_s = 0.0
        self._silence_s = 0.0

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        """Hears a 16 kHz mono frame. Raises RuntimeError after the end of input."""
        if self._ended:
            raise RuntimeError("input of the voice activity stream has ended")
        for window in self._judge.windows(frame):
            self._hear(window)

    def flush(self) -> None:
        self._forget()

    def end_input(self) -> None:
        self._ended = True
        self._events.close()

    async def aclose(self) -> None:
        self.end_input()

    async def __anext__(self) -> vad.VADEvent:
        return await self._events.__anext__()

    async def _main_task(self) -> None:
        """Nothing to do: `push_frame` does the work."""

    def _hear(self, window: bytes) -> None:
        probability = self._judge.probability(window)
        self._samples += VAD_WINDOW_SAMPLES
        self._keep(window)
        if self._judge.speaking:
            self._speech_s += WINDOW_S
        else:
            self._silence_s += WINDOW_S
        self._emit(vad.VADEventType.INFERENCE_DONE, window, probability)
        change = self._judge.judge(probability)
        if change == "start":
            self._silence_s, self._speech_s = 0.0, self._judge.speech_s
            self._emit(vad.VADEventType.START_OF_SPEECH, bytes(self._speech), probability)
        elif change == "end":
            self._silence_s = self._judge.silence_s
            self._speech_s = max(0.0, self._speech_s - self._silence_s)
            self._emit(vad.VADEventType.END_OF_SPEECH, bytes(self._speech), probability)
            self._speech_s = 0.0

    def _keep(self, window: bytes) -> None:
        rules = self._judge.thresholds
        silent = not self._judge.speaking and self._judge.speech_s == 0.0
        limit_s = rules.prefix_s if silent else MAX_SPEECH_S + rules.prefix_s
        del self._speech[: max(0, len(self._speech) - 2 * int(limit_s * RATE))]
        self._speech += window

    def _emit(self, kind: vad.VADEventType, pcm: bytes, probability: float) -> None:
        if self._events.closed:
            return
        frame = rtc.AudioFrame(pcm, RATE, 1, len(pcm) // 2)
        self._events.send_nowait(
            vad.VADEvent(
                type=kind,
                samples_index=self._samples,
                timestamp=self._samples / RATE,
                speech_duration=self._speech_s,
                silence_duration=self._silence_s,
                frames=[frame],
                probability=probability,
                speaking=self._judge.speaking,
                raw_accumulated_silence=self._judge.silence_s,
                raw_accumulated_speech=self._judge.speech_s,
            )
        )
