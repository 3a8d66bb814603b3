"""The tutor's audio track. It can be held at any moment, and goes on at the same word."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from livekit import rtc
from livekit.agents import utils
from livekit.agents.voice import io

from speech.levels import middle_of_quietest_frame

RATE = 24_000
QUEUE_MS = 200  # of sound that the SDK has, so that a busy event loop is not heard
BYTES_PER_S = 2 * RATE
FRAME_BYTES = BYTES_PER_S // 20
STEP_BYTES = BYTES_PER_S // 100  # the SDK plays in steps of 10 ms
LOOK_BACK_S = 0.5  # most words and pauses between them are shorter
AT_LEAST_BACK_S = 0.06  # the end of what was sent is hardly heard
QUIET_WINDOW_S = 0.02
KEPT_BYTES = 2 * BYTES_PER_S  # of what was played; more than can be queued and said again

logger = logging.getLogger("bodh.voice")


class SoundQueue(Protocol):
    """What `rtc.AudioSource` offers: plays frames in real time, one after the other."""

    @property
    def queued_duration(self) -> float: ...

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Returns when there is room for more."""

    def clear_queue(self) -> None: ...


@dataclass
class _Segment:
    """The sound of one speech, from the last seconds that were played on. Counts bytes."""

    pcm: bytearray = field(default_factory=bytearray)
    dropped: int = 0  # bytes that were in front of `pcm`
    sent: int = 0  # of `pcm`
    heard: int = 0  # of the whole segment, when it was held or cut last
    started: bool = False
    flushed: bool = False  # no more frames will arrive
    cut: bool = False

    @property
    def is_sent(self) -> bool:
        return self.flushed and self.sent == len(self.pcm)

    def take_chunk(self) -> bytes:
        """At most one frame, in whole steps; the last one is filled up with silence."""
        size = min(FRAME_BYTES, len(self.pcm) - self.sent)
        if not self.flushed:
            size -= size % STEP_BYTES
        chunk = bytes(self.pcm[self.sent : self.sent + size])
        self.sent += size
        return chunk + bytes(-size % STEP_BYTES)

    def drop_played(self) -> None:
        extra = self.sent - KEPT_BYTES
        if extra > KEPT_BYTES:  # not at every frame
            del self.pcm[:extra]
            self.sent -= extra
            self.dropped += extra

    def note_heard(self, queued_s: float) -> int:
        """Returns up to where `pcm` was heard, and remembers the furthest such place."""
        end = max(0, self.sent - 2 * round(queued_s * RATE))
        self.heard = max(self.heard, self.dropped + end)
        return end


class TutorTrack(io.AudioOutput):
    """Plays frames through a sound queue, and keeps what is queued until it is heard.

    LiveKit's own output forgets what is queued when it pauses, and pauses a frame late. Nothing is
    played before `start`.
    """

    def __init__(self, source: SoundQueue, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(
            label="bodh-track",
            capabilities=io.AudioOutputCapabilities(pause=False),
            sample_rate=RATE,
        )
        self._source = source
        self._segments: deque[_Segment] = deque()  # the first one is played
        self._started = False
        self._held = False
        self._clock = clock
        self._held_since = self._held_s = 0.0
        self._changed = asyncio.Event()

    def start(self) -> None:
        """Call it when somebody can hear the track."""
        self._started = True
        self._changed.set()

    def playing_time(self) -> float:
        """A clock in seconds that stands still while the track is held."""
        return (self._held_since if self._held else self._clock()) - self._held_s

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._segments or self._segments[-1].flushed:
            self._segments.append(_Segment())
        segment = self._segments[-1]
        if not segment.cut:
            segment.pcm += frame.data.cast("B")
            self._changed.set()

    def flush(self) -> None:
        super().flush()
        if self._segments:
            self._segments[-1].flushed = True
            self._changed.set()

    def clear_buffer(self) -> None:
        queued_s = self._source.queued_duration
        for segment in self._segments:
            if not segment.cut:
                segment.note_heard(queued_s)
                segment.cut = True
        self._source.clear_queue()
        self._changed.set()

    def hold(self) -> float:
        """Is silent at once, until `release`. Returns how many seconds will be played again."""
        if self._held:
            return 0.0
        self._held, self._held_since, rewound = True, self._clock(), 0
        if self._segments and not self._segments[0].cut:
            segment = self._segments[0]
            heard = segment.note_heard(self._source.queued_duration)
            segment.sent = find_pause_before(segment.pcm, heard)
            rewound = heard - segment.sent
        self._source.clear_queue()
        return rewound / BYTES_PER_S

    def release(self) -> None:
        """Goes on a little before the place where it was held."""
        if self._held:
            self._held, self._held_s = False, self._held_s + self._clock() - self._held_since
        self._changed.set()

    @utils.log_exceptions()
    async def play_forever(self) -> None:
        while True:
            self._changed.clear()
            wait_s = await self._play_next()
            if wait_s == 0.0:
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    async def _play_next(self) -> float | None:
        """Plays or ends one piece. Returns how long to wait for a change; None: for ever."""
        if not self._segments:
            return None
        segment = self._segments[0]
        if segment.cut:
            return self._end_segment(segment) if segment.flushed else None
        if self._held or not self._started:
            return None
        if chunk := segment.take_chunk():
            await self._send_chunk(segment, chunk)
            return 0.0
        if not segment.is_sent:
            return None
        queued_s = self._source.queued_duration
        return queued_s if queued_s > 0 else self._end_segment(segment)

    async def _send_chunk(self, segment: _Segment, chunk: bytes) -> None:
        if not segment.started:
            segment.started = True
            self.on_playback_started(created_at=time.time())
        segment.drop_played()
        try:
            await self._source.capture_frame(rtc.AudioFrame(chunk, RATE, 1, len(chunk) // 2))
        except Exception:  # the SDK's errors have no type; one must not silence the tutor for good
            logger.exception("the sound of a speech was cut")
            segment.cut = True

    def _end_segment(self, segment: _Segment) -> float:
        self._segments.popleft()
        heard = segment.heard if segment.cut else segment.dropped + segment.sent
        self.on_playback_finished(playback_position=heard / BYTES_PER_S, interrupted=segment.cut)
        return 0.0


def find_pause_before(pcm: bytearray, end: int) -> int:
    """Where the quietest moment before this byte is: between two words, or two syllables."""
    last = end - 2 * round(AT_LEAST_BACK_S * RATE)
    first = max(0, end - 2 * round(LOOK_BACK_S * RATE))
    samples = np.frombuffer(bytes(pcm[first : max(first, last)]), np.int16).astype(np.float32)
    return first + 2 * middle_of_quietest_frame(samples, round(QUIET_WINDOW_S * RATE), last=True)
