"""RPC methods that control how the tutor speaks."""

from pydantic import Field

from protocol.wire import Request, parse

RPC_SPEECH_STOP = "speech.stop"  # without fields: stops what the tutor is saying
RPC_SPEECH_SET = "speech.set"


class SpeechSet(Request):
    """`speech.set`, page to agent."""

    rate: float | None = Field(None, ge=0.5, le=2.0)
    """Multiple of the normal speed; null keeps the current rate."""


def parse_speech_set(payload: bytes | str) -> SpeechSet:
    return parse(SpeechSet, payload)
