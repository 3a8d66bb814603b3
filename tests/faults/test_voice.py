"""The voice process killed or frozen: eSpeak NG speaks, and the answer is heard to its end."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.learner import Learner
from harness.processes import frozen
from harness.stack import Stack, running_stack
from harness.voice_process import FOLDER
from tests.faults.figures import record
from tests.room.conftest import Course

QUESTION = "what is overfitting"
PIPER, ESPEAK = FOLDER.name, "espeak-ng"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A Bodh that speaks with Piper, unlike the one that other tests share."""
    with running_stack(VOICE_MODEL=str(FOLDER)) as stack:
        yield stack


def voice_of_tutor(learner: Learner) -> str:
    attributes = learner.room.remote_participants[learner.agents()[-1]].attributes
    name: str = json.loads(attributes.get("bodh.models", "{}")).get("tts", "")
    return name


async def ask_and_hear_whole_answer(learner: Learner) -> float:
    """Waits until eSpeak NG takes over. Returns the seconds from the question to a sound."""
    asked = time.monotonic()
    await learner.type(QUESTION)
    await learner.until(lambda: voice_of_tutor(learner) == ESPEAK, 30, "eSpeak NG")
    first = await learner.until(lambda: learner.first_sound(asked), 30, "a sound")
    text = await learner.tutor_done(asked)
    assert "overfitting" in text.lower()
    assert text.rstrip().endswith((".", "?", "!")), text
    return float(first - asked)


async def ask_until_piper_is_back(learner: Learner) -> None:
    deadline = time.monotonic() + 90
    while voice_of_tutor(learner) != PIPER:  # tried again with each sentence
        assert time.monotonic() < deadline, "Piper did not come back"
        asked = time.monotonic()
        await learner.type(QUESTION)
        await learner.wait_for_answer(asked)


async def test_answer_is_heard_to_its_end_without_the_voice_process(
    stack: Stack, arrived: Callable[..., Any], course: Course
) -> None:
    module = course.modules[1]
    amina = await arrived(module, module.lessons[1]["id"])
    await ask_until_piper_is_back(amina)  # a busy machine may have been too slow for the greeting
    (voice,) = stack.pids("-m speech.voice $")
    os.kill(voice, signal.SIGKILL)
    record("voice_killed_first_sound", [await ask_and_hear_whole_answer(amina)])
    await ask_until_piper_is_back(amina)
    (voice,) = stack.pids("-m speech.voice $")
    with frozen(voice):
        record("voice_frozen_first_sound", [await ask_and_hear_whole_answer(amina)])
    await ask_until_piper_is_back(amina)
