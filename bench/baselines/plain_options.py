"""Options of the plain worker, passed to its process. Imports little: that process is measured."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Self

VARIABLE = "BENCH_PLAIN_WORKER"
AGENT_NAME = "plain-agent"


@dataclass(frozen=True)
class PlainOptions:
    """The Whisper model's folder, a Piper voice (eSpeak if empty) and model addresses.

    A recogniser or voice with an address replaces the local one. Without the address of a language
    model, the offline tutor answers.
    """

    whisper_folder: str
    piper_voice: str = ""
    llm_url: str = ""
    stt_url: str = ""
    tts_url: str = ""

    def to_environment(self) -> dict[str, str]:
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Self:
        return cls(**json.loads(os.environ[VARIABLE]))
