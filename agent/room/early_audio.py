"""What pages record before the agent hears their microphone, sent as one byte stream per track."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from livekit import rtc
from livekit.agents import utils

from agent.room.open_streams import OpenStreams
from agent.room.rates import Rates
from agent.room.tasks import Tasks

TOPIC = "lk.agent.pre-connect-audio-buffer"  # LiveKit's
WAIT_S = 3.0  # a microphone and its early audio wait no longer for each other
MAX_S = 20.0
SAMPLE_RATES = range(8_000, 48_001)
# browsers record WebM; the format is never guessed from what a participant sends
WEBM = ("audio/webm", "audio/opus")

logger = logging.getLogger(__name__)


class EarlyAudioError(Exception):
    def __init__(self, why: Literal["too_long", "no_format", "unknown_format"]) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, eq=False)
class _Arrived:
    track_sid: str
    frames: list[rtc.AudioFrame]


class EarlyAudio:
    """A track's early audio counts only if the owner of the track has sent it.

    Create it before the room connects, and close it with `aclose`.
    """

    def __init__(self, room: rtc.Room, rates: Rates) -> None:
        self._room = room
        self._rates = rates
        self._tasks = Tasks("early_audio")
        self._streams = OpenStreams(self._tasks)
        self._arrived: dict[str, _Arrived] = {}  # by sender: the newest that nobody waited for
        self._waiting: dict[tuple[str, str], asyncio.Future[list[rtc.AudioFrame]]] = {}
        room.register_byte_stream_handler(TOPIC, self._on_stream)

    async def wait_for_frames(self, owner: str, track_sid: str) -> list[rtc.AudioFrame]:
        """What the owner of the track has recorded for it. Raises TimeoutError after WAIT_S."""
        arrived = self._arrived.pop(owner, None)
        if arrived is not None and arrived.track_sid == track_sid:
            return arrived.frames
        key = (owner, track_sid)
        self._waiting[key] = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.wait_for(self._waiting[key], WAIT_S)
        finally:
            self._waiting.pop(key, None)

    def drop_audio_of(self, identity: str) -> None:
        self._streams.close_streams_of(identity)
        self._arrived.pop(identity, None)

    async def aclose(self) -> None:
        self._room.unregister_byte_stream_handler(TOPIC)
        await self._tasks.close()

    def _on_stream(self, reader: rtc.ByteStreamReader, sender: str) -> None:
        if self._rates.allow(sender, "early_audio"):
            read = partial(self._receive_audio, reader, sender)
            self._streams.start_reading(reader, sender, read)
        else:
            reader.close()

    async def _receive_audio(self, reader: rtc.ByteStreamReader, sender: str) -> None:
        track_sid = (reader.info.attributes or {}).get("trackId", "")
        try:
            frames = await _decode_audio(reader)
        except EarlyAudioError as error:
            logger.info("early audio refused", extra={"why": error.why})
            return
        waiting = self._waiting.get((sender, track_sid))
        if waiting is None:
            arrived = self._arrived[sender] = _Arrived(track_sid, frames)
            asyncio.get_running_loop().call_later(WAIT_S, self._drop_expired, sender, arrived)
        elif not waiting.done():
            waiting.set_result(frames)

    def _drop_expired(self, sender: str, arrived: _Arrived) -> None:
        if self._arrived.get(sender) is arrived:
            del self._arrived[sender]


async def _decode_audio(reader: rtc.ByteStreamReader) -> list[rtc.AudioFrame]:
    """Raises EarlyAudioError."""
    sample_rate, channels = _audio_format(reader.info.attributes or {})
    is_webm = reader.info.mime_type.startswith(WEBM)
    decoded = (_webm_frames if is_webm else _pcm_frames)(reader, sample_rate, channels)
    frames, duration_s = [], 0.0
    async for frame in decoded:
        frames.append(frame)
        duration_s += frame.duration
        if duration_s > MAX_S:
            await decoded.aclose()
            raise EarlyAudioError("too_long")
    return frames


def _audio_format(attributes: dict[str, str]) -> tuple[int, int]:
    """Samples per second and channels. Raises EarlyAudioError."""
    try:
        sample_rate, channels = int(attributes["sampleRate"]), int(attributes["channels"])
    except (KeyError, ValueError) as error:
        raise EarlyAudioError("no_format") from error
    if sample_rate not in SAMPLE_RATES or channels not in (1, 2):
        raise EarlyAudioError("unknown_format")
    return sample_rate, channels


async def _pcm_frames(
    reader: rtc.ByteStreamReader, sample_rate: int, channels: int
) -> AsyncGenerator[rtc.AudioFrame, None]:
    stream = utils.audio.AudioByteStream(sample_rate, channels)
    async for chunk in reader:
        for frame in stream.push(chunk):
            yield frame
    for frame in stream.flush():
        yield frame


async def _webm_frames(
    reader: rtc.ByteStreamReader, sample_rate: int, channels: int
) -> AsyncGenerator[rtc.AudioFrame, None]:
    decoder = utils.codecs.AudioStreamDecoder(
        sample_rate=sample_rate, num_channels=channels, format="audio/webm"
    )
    try:
        async for chunk in reader:
            decoder.push(chunk)
        decoder.end_input()
        async for frame in decoder:
            yield frame
    finally:
        await decoder.aclose()
