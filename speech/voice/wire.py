"""What client and voice process tell each other, in the frames of `speech.wire`."""

from dataclasses import asdict, dataclass
from typing import Self

from speech.wire import Header

MAX_REQUESTS = 32  # at once: four for each of eight rooms
MAX_CHARS = 10_000
MIN_PACE, MAX_PACE = 0.5, 2.5  # beyond them Piper's speech cannot be understood
MAX_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class SayRequest:
    text: str
    pace: float
    lead_s: float
    timeout_s: float

    def to_json(self) -> Header:
        return {"kind": "say"} | asdict(self)

    @classmethod
    def from_json(cls, header: Header) -> Self:
        """Raises KeyError, TypeError or ValueError."""
        text = header["text"]
        if header["kind"] != "say" or not isinstance(text, str) or len(text) > MAX_CHARS:
            raise ValueError(f"kind is say or health, text has at most {MAX_CHARS} characters")
        return cls(
            text=text,
            pace=min(max(float(header["pace"]), MIN_PACE), MAX_PACE),
            lead_s=max(0.0, float(header["lead_s"])),
            timeout_s=min(float(header["timeout_s"]), MAX_TIMEOUT_S),
        )


@dataclass(frozen=True)
class Spoken:
    """PCM (int16 mono), and how many characters of the text are said when it ends."""

    pcm: bytes
    chars: int


@dataclass(frozen=True)
class VoiceHealth:
    model: str
    pid: int
    speaking: int
    """Texts that are being spoken."""
