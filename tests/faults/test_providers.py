"""A lesson on external models, which fail one after another."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import prompts
from harness.learner import FILLER, Learner
from harness.provider import MODEL, ModelServer, running_model_provider
from harness.stack import Stack, running_stack
from tests.room.conftest import Course

FIGURES = Path(__file__).parents[2] / "build" / "faults" / "providers.json"
QUESTION = "What is the loss function?"
BY_PROVIDER = "What do you think about it?"  # how its answers end
SPOKEN = "what is the loss function"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def provider() -> Iterator[ModelServer]:
    with running_model_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def stack(provider: ModelServer) -> Iterator[Stack]:
    kinds = {f"{kind}_BASE_URL": provider.url for kind in ("LLM", "TTS", "STT")}
    models = {f"{kind}_MODEL": MODEL for kind in ("LLM", "TTS", "STT")}
    with running_stack(**kinds, **models) as stack:
        yield stack


@pytest.fixture
async def amina(provider: ModelServer, arrived: Callable[..., Any], course: Course) -> Learner:
    """In lesson 2 of the first module, greeted, with all providers working."""
    provider.reset()
    module = course.modules[0]
    amina: Learner = await arrived(module, module.lessons[1]["id"])
    return amina


async def sounded(amina: Learner, after: float) -> float:
    """Seconds from a moment to the first sound of the tutor."""
    heard = await amina.until(lambda: amina.first_sound(after), 20, "a sound")
    return float(heard - after)


def note(**figures: Any) -> None:
    """Adds results to the report of this run."""
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    FIGURES.write_text(json.dumps(known | figures, indent=2) + "\n")


async def heard(amina: Learner, after: float, words: str) -> str:
    """What the tutor said after a moment, up to these words; then stops it."""
    await amina.until(lambda: words in amina.tutor_text(after), 30, f"an answer with {words!r}")
    await amina.rpc("speech.stop", {})
    return await amina.tutor_done(after, quiet_s=0.6)


async def test_spoken_question_is_answered_aloud_whichever_provider_fails(
    amina: Learner, provider: ModelServer
) -> None:
    first_s = {}
    for kind, fault in [("", "none"), ("tts", "dies at 3"), ("stt", "500"), ("llm", "hang")]:
        if kind:
            provider.break_(kind, fault)
        _, ended = await amina.say(SPOKEN)
        first_s[f"{kind} {fault}".strip()] = await sounded(amina, ended)
        answer = await heard(amina, ended, "The loss function is a function that measures")
        assert answer.startswith(FILLER) is (kind == "llm")
        assert SPOKEN in [c.text.strip() for c in amina.own_captions(ended - 5)]
        if not kind:
            assert min(provider.served.values()) > 0
    note(first_sound_s=first_s)


@pytest.mark.soak
async def test_recovered_providers_are_used_again(amina: Learner, provider: ModelServer) -> None:
    for kind in ("llm", "tts", "stt"):
        provider.break_(kind, "500")
    for mended in (False, True):  # the second is local too, while probes run
        if mended:
            provider.mend()
        _, ended = await amina.say(SPOKEN)
        assert BY_PROVIDER not in await heard(amina, ended, "passage seven: The loss function")
    served = dict(provider.served)
    _, ended = await amina.say(SPOKEN)
    await heard(amina, ended, BY_PROVIDER)
    assert all(provider.served[kind] > served[kind] for kind in served)


@pytest.mark.soak
async def test_transcript_contains_what_was_said_and_no_prompt_contains_quiz_answers(
    amina: Learner, provider: ModelServer, rows: asyncpg.Connection
) -> None:
    joined = time.monotonic()
    provider.break_("llm", "hang after a sentence", times=1)
    await amina.type(QUESTION)
    cut = await amina.tutor_done(joined)
    assert cut.startswith(f"Here is what I know. {prompts.render('provider_failed')}")
    for text in ("Quiz me", "My answer is A", "My answer is B"):
        asked = time.monotonic()
        await amina.type(text)
        await amina.tutor_done(asked)
    await amina.leave()
    said = await amina.account.transcript(amina.session_id)
    captions = [c.text.strip() for c in amina.tutor_captions(joined)]
    kept = [one["text"] for one in said if one["role"] == "tutor"]
    assert kept[-len(captions) :] == captions
    sent = json.dumps(provider.requests, ensure_ascii=False)
    keys = await rows.fetch("select why from quiz_keys")
    right = {key["why"] for key in keys if key["why"] in " ".join(captions)}
    assert keys
    assert [key for key in keys if key["why"] in sent and key["why"] not in right] == []
    assert "BEGIN LESSON TEXT" in sent
