"""The texts that people agree to: versioned, naming every provider."""

import hashlib
from typing import Any

import pytest

from db.consent_texts import consent_texts, transcript_text
from scripts.processes import build_supervisor_environment
from settings import Settings

# versions that people may have agreed to, each with the beginning of its hash: only ever add to it
VERSIONS = {"2026-11": "2b52a8406d65bb39"}

PROVIDERS = {
    "stt_base_url": "https://stt.example.org/v1",
    "llm_base_url": "http://10.0.0.7:11434/v1",
    "tts_base_url": "https://tts.example.net:8443/v1",
    "stt_model": "s",
    "llm_model": "l",
    "tts_model": "t",
}


def made(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def test_texts_do_not_change_within_a_version() -> None:
    texts = consent_texts(made(**PROVIDERS))
    (version,) = {text.policy_version for text in texts.values()}
    joined = "".join(text.text for text in texts.values())
    digest = hashlib.sha256(joined.encode()).hexdigest()[:16]
    assert VERSIONS.get(version) == digest, (
        "A text in prompts/consents.md has changed. Nobody has agreed to the new text, so set "
        f'consent_version there to a new value, and add it with "{digest}" to VERSIONS. '
        "Everybody is then asked again, and no words are stored before."
    )


def test_transcript_text_is_the_one_that_learners_are_asked_about() -> None:
    assert consent_texts(made(**PROVIDERS))["transcript"] == transcript_text()


def test_models_on_this_machine_are_not_providers() -> None:
    local = made(llm_base_url="http://localhost:11434/v1", llm_model="l",
                 stt_base_url="http://127.0.0.1:9000", stt_model="s",
                 tts_base_url="http://[::1]:9001", tts_model="t")  # fmt: skip
    assert local.provider_hosts == made().provider_hosts == {}
    assert "provider" not in consent_texts(local)


@pytest.mark.parametrize("url", ["http://localhost.example.org/v1", "http://127.0.0.1.example/v1"])
def test_a_host_that_looks_like_this_machine_is_a_provider(url: str) -> None:
    assert list(made(llm_base_url=url, llm_model="l").provider_hosts) == ["llm"]


def test_every_provider_is_named_with_what_it_receives() -> None:
    settings = made(**PROVIDERS)
    assert settings.provider_hosts == {
        "stt": "stt.example.org",
        "llm": "10.0.0.7",
        "tts": "tts.example.net",
    }
    lines = consent_texts(settings)["provider"].text.splitlines()
    assert [line.split(" receives ")[0] for line in lines[1:]] == [
        "stt.example.org",
        "10.0.0.7",
        "tts.example.net",
    ]


def test_a_key_alone_makes_openai_a_provider_also_for_processes_without_the_key() -> None:
    agent = made(openai_api_key="k")
    environment = build_supervisor_environment(agent)
    web = made(llm_base_url=environment["LLM_BASE_URL"], llm_model=environment["LLM_MODEL"])
    assert agent.provider_hosts == web.provider_hosts == {"llm": "api.openai.com"}


def test_guardian_agrees_to_the_same_texts_as_the_learner() -> None:
    texts = consent_texts(made(**PROVIDERS))
    for kind in ("tutor", "provider", "transcript"):
        assert texts[kind].text in texts["guardian"].text
