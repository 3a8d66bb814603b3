"""Interruptions: how soon the tutor is silent, and whether it resumes at the same word."""

import argparse
import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from agent.models.espeak import RATE as VOICE_RATE
from bench.answer_delay import wait_for_silence
from bench.baselines.livekit_agents import running_plain_worker
from bench.baselines.plain_options import PlainOptions
from bench.models import whisper_folder
from bench.registry import OURS, PLAIN
from bench.result import Measured, summarise
from bench.rooms_in_turns import TutorRoom, rooms_in_turns
from bench.sounds import make_sound
from harness.learner import HEARD_RATE, LOUD_LEVEL, RATE, Learner
from harness.stack import running_stack
from harness.voices import QUIET, resampled, synthesise_cached
from speech.wire import RATE as SOUND_RATE

Samples = npt.NDArray[np.int16]
Wanted = Literal["turn", "resume"]  # what the tutor should do

QUESTION = "Summarise this lesson"
PAUSE_S = 0.45  # longer than any pause between two sentences of the tutor
BACK_MS = 700.0
AFTER_S = 4.0  # by then the tutor has either come back or given up its turn
SILENCE_S = 60.0  # limit for the tutor to finish
ALIKE = 0.6  # correlation above which two sounds are the same one


@dataclass(frozen=True)
class Case:
    name: str
    wanted: Wanted
    make_samples: Callable[[int], "asyncio.Future[Samples]"]


@dataclass
class Outcomes:
    """Of one kind of tutor, over all runs. Times are in ms."""

    stops: dict[str, list[float]] = field(default_factory=dict)
    backs: list[float] = field(default_factory=list)  # end of the voice -> the tutor speaks again
    same_word: list[bool] = field(default_factory=list)
    resumed: list[bool] = field(default_factory=list)
    turns_lost: list[bool] = field(default_factory=list)

    def all_stops(self) -> list[float]:
        return [ms for values in self.stops.values() for ms in values]

    def make_quality(self) -> dict[str, float]:
        found = {
            "resumed_within_700_ms": _share(self.resumed),
            "resumed_at_the_same_word": _share(self.same_word),
            "turns_lost": _share(self.turns_lost),
        }
        if self.backs:
            found["back_p50_ms"] = summarise(self.backs).p50
        for name, values in self.stops.items():
            found |= {f"{name}_p50_ms": summarise(values).p50, f"{name}_max_ms": max(values)}
        return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None besides `--runs`: a run is each voice once, over us and over a plain worker."""


async def run(arguments: argparse.Namespace) -> Measured:
    folder = str(whisper_folder("base"))
    ours, theirs = Outcomes(), Outcomes()
    found = {OURS: ours, PLAIN: theirs}
    with (
        running_stack(WHISPER_MODEL=folder) as stack,
        running_plain_worker(stack, PlainOptions(folder)) as plain,
    ):
        async with rooms_in_turns(stack, plain) as rooms:
            for number in range(arguments.runs):
                await rooms.talk_in_each(partial(measure_conversation, seed=number, found=found))
                print(f"run {number + 1}: {ours.stops}, plain {theirs.stops}", flush=True)
    return Measured(
        unit="ms",
        ours=summarise(ours.all_stops()),
        baselines={PLAIN: summarise(theirs.all_stops())},
        quality={**ours.make_quality(), PLAIN: theirs.make_quality()},
    )


async def measure_conversation(room: TutorRoom, *, seed: int, found: dict[str, Outcomes]) -> None:
    learner = await room.learner.join_with_ticket(room.ticket)
    try:
        await learner.until(lambda: learner.last_sound() > 0, 30, "a greeting")
        await wait_for_silence(learner, limit_s=SILENCE_S)
        for case in CASES:
            await measure_case(learner, case, await case.make_samples(seed), found[room.name])
    finally:
        await learner.leave()


async def measure_case(learner: Learner, case: Case, samples: Samples, outcomes: Outcomes) -> None:
    asked = time.monotonic()
    await learner.type(QUESTION)
    await learner.until(lambda: _seconds_of_sound(learner, asked) > 1.5, 20, "a long answer")
    await learner.until(lambda: time.monotonic() - learner.last_sound() < 0.03, 5, "a word")
    learner.take_sound()
    learner.recording, first = True, len(learner.levels)
    began, ended = await learner.play(samples)
    await asyncio.sleep(AFTER_S)
    learner.recording = False
    levels, sound = learner.levels[first:], learner.take_sound()
    silent_at, back_at = find_pause(levels, began)
    is_same_word = (
        silent_at is not None
        and back_at is not None
        and is_said_again(levels, sound, silent_at, back_at)
    )
    _note_outcome(case, outcomes, Times(began, ended, silent_at, back_at, is_same_word))
    await _end_answer(learner)


@dataclass(frozen=True)
class Times:
    """Monotonic times: of the learner's voice, and of the pause in what they heard."""

    began: float
    ended: float
    silent_at: float | None
    back_at: float | None
    is_same_word: bool


def _note_outcome(case: Case, outcomes: Outcomes, times: Times) -> None:
    paused = times.silent_at is not None
    if times.silent_at is not None:
        stop_ms = 1000 * max(0.0, times.silent_at - times.began)
        outcomes.stops.setdefault(case.name, []).append(stop_ms)
    if case.wanted == "turn":
        outcomes.turns_lost.append(not paused or times.is_same_word)
        return
    back_ms = 1000 * (times.back_at - times.ended) if times.back_at is not None else None
    if back_ms is not None:
        outcomes.backs.append(back_ms)
        outcomes.same_word.append(times.is_same_word)
    outcomes.resumed.append(not paused or (back_ms is not None and back_ms <= BACK_MS))
    outcomes.turns_lost.append(paused and back_ms is None)


def find_pause(
    levels: list[tuple[float, float]], since: float
) -> tuple[float | None, float | None]:
    """When the tutor became silent and when it was heard again, if it was."""
    loud = [at for at, level in levels if level > LOUD_LEVEL]
    end = levels[-1][0]
    for one, following in itertools.pairwise([*loud, end + PAUSE_S]):
        if following - one >= PAUSE_S and following > since:
            return one, following if following <= end else None
    return None, None


def is_said_again(
    levels: list[tuple[float, float]], sound: Samples, silent_at: float, back_at: float
) -> bool:
    """Whether the sound after a pause begins with what was heard just before it."""
    size = HEARD_RATE // 100
    silent = next(n for n, (at, _) in enumerate(levels) if at >= silent_at) * size
    back = next(n for n, (at, _) in enumerate(levels) if at >= back_at) * size
    before = sound[max(0, silent - HEARD_RATE) : silent + size].astype(np.float64)
    after = sound[back : back + HEARD_RATE // 12].astype(np.float64)
    if len(after) == 0 or len(before) < len(after):
        return False
    windows = np.lib.stride_tricks.sliding_window_view(before, len(after))
    norms = np.linalg.norm(windows, axis=1) * np.linalg.norm(after)
    return bool(np.max(windows @ after / np.maximum(norms, 1.0)) > ALIKE)


async def _end_answer(learner: Learner) -> None:
    """Waits until everything is said; an answer to the voice may follow the old one."""
    await wait_for_silence(learner, 2.0, limit_s=SILENCE_S)


def _seconds_of_sound(learner: Learner, since: float) -> float:
    return sum(0.01 for at, level in learner.levels if at > since and level > LOUD_LEVEL)


def _share(found: list[bool]) -> float:
    return sum(found) / len(found) if found else 0.0


def _voice(text: str) -> Callable[[int], "asyncio.Future[Samples]"]:
    voices = ("en-us", "en-gb", "en-us+f3", "en-us+m3")

    async def speak(seed: int) -> Samples:
        said = await synthesise_cached(text, voice=voices[seed % len(voices)])
        return resampled(said, VOICE_RATE, RATE)

    return lambda seed: asyncio.ensure_future(speak(seed))


def _noise(kind: str, seconds: float) -> Callable[[int], "asyncio.Future[Samples]"]:
    """A sound of this length that begins at once."""

    async def make(seed: int) -> Samples:
        made = make_sound(kind, 10.0, seed, -15.0)
        begin = int(np.flatnonzero(np.abs(made.astype(np.int32)) > QUIET)[0])
        part = made[begin : begin + int(seconds * SOUND_RATE)]
        return resampled(part, SOUND_RATE, RATE)

    return lambda seed: asyncio.ensure_future(make(seed))


CASES = (
    Case("sentence", "turn", _voice("what is the difference between training data and test data")),
    Case("stop", "turn", _voice("stop")),
    Case("mhm", "resume", _voice("mm hmm")),
    Case("cough", "resume", _noise("coughs", 0.7)),
    Case("keys", "resume", _noise("keys", 1.0)),
)
