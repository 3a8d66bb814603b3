"""A spoken lesson on a real server: greeting heard, phrases understood, answers, transcript."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from agent.speakable import speakable
from tests.room.conftest import SOAK, Course
from tests.stack import TUTOR_WPM
from tests.voices import resampled, spoken, trimmed

PHRASES = [
    "what is machine learning",
    "what is regression",
    "can you repeat that please",
    "what is the loss function",
    "summarise this lesson",
    "what is gradient descent",
    "give me an example please",
    "what is overfitting",
    "what is a vector",
    "what is a neural network",
    "i do not understand the learning rate",
    "what is test data",
    "please slow down",
    "what is attention",
    "explain gradient descent with an example",
    "what is a matrix",
    "what is this lesson about",
    "what is training data",
    "what is deep learning",
    "thank you bodh",
][: 20 if SOAK else 8]


async def test_greeting_is_heard_as_it_is_captioned(
    learner: Callable[..., Any], course: Course, fresh_room: Callable[..., Any]
) -> None:
    await fresh_room(course.modules[0])
    amina = await learner()
    amina.recording = True
    joined = time.monotonic()
    await amina.join(course.modules[0].id)
    text = await amina.tutor_done(joined)
    heard = trimmed(amina.take_sound()).astype(np.float64)
    again = trimmed(
        resampled(await spoken(speakable(text), rate_wpm=TUTOR_WPM), 22_050, 16_000)
    ).astype(np.float64)
    assert 0.8 <= len(heard) / len(again) <= 1.2
    assert best_correlation(envelope(heard), envelope(again)) >= 0.8


async def test_spoken_phrases_are_captioned_answered_and_kept_once(
    learner: Callable[..., Any], course: Course, fresh_room: Callable[..., Any]
) -> None:
    await fresh_room(course.modules[0])
    amina = await learner()
    joined = time.monotonic()
    await amina.join(course.modules[0].id)
    await amina.settled(joined)
    for phrase in PHRASES:
        _, ended = await amina.say(phrase)
        await amina.until(
            lambda e=ended, p=phrase: any(
                c.final and c.text.strip() == p for c in amina.own_captions(e - 5)
            ),
            what=f"a caption of {phrase!r}",
        )
        assert await amina.tutor_done(ended, quiet_s=0.7)
    await amina.leave()
    said = await amina.account.kept(amina.session_id, len(PHRASES))
    segments = await amina.account.transcript(amina.session_id)
    assert [one["text"] for one in said] == PHRASES
    assert len({one["id"] for one in segments}) == len(segments)
    assert {one["speaker"] for one in said} == {amina_identity(segments)}
    assert all(one["startS"] < one["endS"] for one in said)
    assert [one["startS"] for one in segments] == sorted(one["startS"] for one in segments)
    answers = [one for one in segments if one["role"] == "tutor"]
    assert len(answers) > len(PHRASES)


async def test_typed_and_spoken_questions_are_answered_alike(
    learner: Callable[..., Any], course: Course, fresh_room: Callable[..., Any]
) -> None:
    await fresh_room(course.modules[0])
    amina = await learner()
    joined = time.monotonic()
    await amina.join(course.modules[0].id)
    await amina.settled(joined)
    asked = time.monotonic()
    await amina.type("What is the loss function?")
    typed = await amina.tutor_done(asked)
    _, ended = await amina.say("what is the loss function")
    voiced = await amina.tutor_done(ended)
    assert typed == voiced
    assert amina.cited
    assert amina.cited[0]["segmentId"] in amina.captions


async def test_commands_that_are_typed(
    learner: Callable[..., Any], course: Course, fresh_room: Callable[..., Any]
) -> None:
    module = course.modules[0]
    await fresh_room(module)
    amina = await learner()
    joined = time.monotonic()
    await amina.join(module.id)
    await amina.settled(joined)
    answers = {}
    for command in ("What are the objectives?", "Next lesson", "Quiz me", "Give me a hint"):
        asked = time.monotonic()
        await amina.type(command)
        answers[command] = await amina.tutor_done(asked, quiet_s=0.7)
    assert module.lessons[1]["title"] in answers["Next lesson"]
    assert len(set(answers.values())) == len(answers)


def amina_identity(segments: list[dict[str, Any]]) -> str:
    identities = {one["speaker"] for one in segments if one["role"] == "learner"}
    assert len(identities) == 1
    found: str = identities.pop()
    return found


def envelope(samples: np.ndarray, window: int = 320) -> np.ndarray:
    """Loudness in steps of 20 ms at 16 kHz."""
    whole = samples[: len(samples) // window * window].reshape(-1, window)
    loudness: np.ndarray = np.sqrt(np.mean(whole**2, axis=1))
    return loudness


def best_correlation(first: np.ndarray, second: np.ndarray, shift: int = 25) -> float:
    """The best correlation of two envelopes within a shift of half a second."""
    best = 0.0
    for offset in range(-shift, shift + 1):
        a, b = first[max(0, offset) :], second[max(0, -offset) :]
        size = min(len(a), len(b))
        if size > 10:
            best = max(best, float(np.corrcoef(a[:size], b[:size])[0, 1]))
    return best
