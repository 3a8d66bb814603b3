"""How long a learner waits for an answer: speaks questions to a tutor, and listens."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.rooms_in_turns import TutorRoom
from bench.spoken import Pcm
from harness.learner import RATE, Learner
from harness.voices import resampled, trimmed
from speech.wire import RATE as SPOKEN_RATE

ANSWER_S = 20.0
QUIET_S = 1.0
EARLY_S = 0.05  # sound earlier than this before a question's end answers only part of it


@dataclass
class Delays:
    """`answer_ms` is from the end of a question to the first sound of its answer."""

    answer_ms: list[float] = field(default_factory=list)
    early_cuts: int = 0


def join_with_pauses(parts: Sequence[Pcm], pause_s: float) -> Pcm:
    """The parts of a question at the learner's rate, without silence around them."""
    spoken: list[Pcm] = []
    for part in parts:
        silence = np.zeros(int(pause_s * RATE) if spoken else 0, np.int16)
        spoken += [silence, resampled(trimmed(part), SPOKEN_RATE, RATE)]
    whole: Pcm = trimmed(np.concatenate(spoken))
    return whole


async def join_and_hear_greeting(learner: Learner, ticket: dict[str, str]) -> None:
    joined = time.monotonic()
    await learner.join_with_ticket(ticket)
    await learner.until(lambda: learner.first_sound(joined), 40, "a greeting")
    await wait_for_silence(learner)


async def ask_all(room: TutorRoom, questions: Iterable[Pcm], delays: Delays) -> None:
    """Joins, asks one question after another, and leaves."""
    await join_and_hear_greeting(room.learner, room.ticket)
    for question in questions:
        await ask_and_listen(room.learner, question, delays)
    await room.learner.leave()


async def ask_and_listen(learner: Learner, question: Pcm, delays: Delays) -> None:
    """Asks, and waits until the answer is over."""
    began, ended = await learner.play(question)
    first = learner.first_sound(began)
    if first is not None and first < ended - EARLY_S:
        delays.early_cuts += 1
        print("answered before the end of the question", flush=True)
    else:
        heard = await learner.until(lambda: learner.first_sound(ended), ANSWER_S, "an answer")
        delays.answer_ms.append(1000 * (heard - ended))
        print(f"answered after {delays.answer_ms[-1]:.0f} ms", flush=True)
    await wait_for_silence(learner)


async def wait_for_silence(
    learner: Learner, seconds: float = QUIET_S, *, limit_s: float = 40.0
) -> None:
    """Waits until the tutor has been silent for this long. Raises AssertionError if it isn't."""
    await learner.until(
        lambda: time.monotonic() - learner.last_sound() > seconds, limit_s, "silence"
    )
