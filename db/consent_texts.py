"""What people are asked to agree to: the exact text of each kind of consent, and its hash."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import prompts
from settings import ModelKind, Settings

ConsentKind = Literal["tutor", "transcript", "recording", "provider", "guardian"]


@dataclass(frozen=True)
class ConsentText:
    """`text` has one point per line."""

    kind: ConsentKind
    policy_version: str
    text: str

    @property
    def text_hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def consent_texts(settings: Settings) -> dict[ConsentKind, ConsentText]:
    """The texts that can be agreed to now. Without remote providers there is none about them."""
    texts: dict[ConsentKind, str] = {"tutor": prompts.render("consent_tutor")}
    if settings.provider_hosts:
        texts["provider"] = _provider_text(settings.provider_hosts)
    texts["transcript"] = transcript_text().text
    texts["guardian"] = prompts.render("consent_guardian", points="\n".join(texts.values()))
    version = prompts.render("consent_version")
    return {kind: ConsentText(kind, version, text) for kind, text in texts.items()}


def transcript_text() -> ConsentText:
    """What learners agree to if their words are stored. It depends on no setting."""
    version, text = prompts.render("consent_version"), prompts.render("consent_transcript")
    return ConsentText("transcript", version, text)


def _provider_text(hosts: Mapping[ModelKind, str]) -> str:
    receivers = [
        prompts.render(f"consent_provider_{kind}", host=host) for kind, host in hosts.items()
    ]
    return prompts.render("consent_provider", receivers="\n".join(receivers))
