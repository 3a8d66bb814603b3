"""What the plain worker runs with, passed to its process. Imports little: it is measured there."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Self

VARIABLE = "BENCH_PLAIN_WORKER"
AGENT_NAME = "plain-agent"


@dataclass(frozen=True)
class PlainOptions:
    """Folder of the Whisper model, Piper voice (eSpeak if empty), address of a language model.

    A recogniser or a voice with an address is used instead of the local one.

    Without a language model, the offline tutor answers.
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
