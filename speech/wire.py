"""The protocol between client and engine.

A frame is 4 bytes of header length (big endian), the header as JSON, and `bytes` bytes of PCM
(int16, mono, 16 kHz). Every request has an `id`, which its answer repeats. Answers may come in
a different order than requests. A frame of kind `cancel` gives up the request of its `id`, which
then gets no answer. Over TCP, a client's first frame holds the `secret` of both.
"""

import asyncio
import json
import struct
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

RATE = 16_000  # Hz, of all audio to recognise
MAX_HEADER_BYTES = 65_536
MAX_AUDIO_S = 29.5  # one window of the model, less the silence added around the sound
MAX_PCM_BYTES = int(MAX_AUDIO_S * RATE) * 2

Failure = Literal["busy", "overloaded", "timeout", "bad_request", "failed"]
Header = dict[str, Any]


class WireError(Exception):
    """The other side sent something that is not a frame. Close the connection."""


@dataclass(frozen=True)
class Span:
    """Text between two times, in seconds from the first sample of the request."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Recognition:
    """The recognised text, empty if there were no plausible words.

    `confidence` is the mean probability of a token, 0 to 1. `words` is empty unless requested.
    If `not_understood`, somebody spoke, but in another language, or `language` is empty and it is
    not clear what they said. Then there is no text.
    """

    text: str
    language: str
    confidence: float
    audio_s: float
    decode_s: float
    words: tuple[Span, ...] = ()
    not_understood: bool = False

    def to_json(self) -> Header:
        return asdict(self)

    @classmethod
    def from_json(cls, header: Header) -> Self:
        """Raises KeyError or TypeError if a field is missing or has the wrong type."""
        return cls(
            text=header["text"],
            language=header["language"],
            confidence=header["confidence"],
            audio_s=header["audio_s"],
            decode_s=header["decode_s"],
            words=tuple(Span(**span) for span in header["words"]),
            not_understood=header["not_understood"],
        )


@dataclass(frozen=True)
class Health:
    """`decode_s` is the average time for a final. Numbers count from the engine's start."""

    model: str
    test_model: bool
    pid: int
    waiting: int
    decode_s: float
    refused: int
    thrown_away: int


async def read_frame(reader: asyncio.StreamReader) -> tuple[Header, bytes]:
    """Reads a frame. Raises WireError, or asyncio.IncompleteReadError at the end."""
    (length,) = struct.unpack("!I", await reader.readexactly(4))
    if length > MAX_HEADER_BYTES:
        raise WireError(f"header of {length} bytes")
    try:
        header = json.loads(await reader.readexactly(length))
        size = header.get("bytes", 0)
    except (ValueError, AttributeError) as error:
        raise WireError("header is not a JSON object") from error
    if not isinstance(size, int) or not 0 <= size <= MAX_PCM_BYTES:
        raise WireError(f"PCM of {size!r} bytes")
    return header, await reader.readexactly(size)


def encode_frame(header: Header, pcm: bytes = b"") -> bytes:
    head = json.dumps(header | {"bytes": len(pcm)}).encode()
    return struct.pack("!I", len(head)) + head + pcm
