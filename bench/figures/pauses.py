"""Thinking pauses: how often the tutor would cut in, and what the wait costs at the end of a turn.

Faster than real time: the sound passes the real voice activity detection and the real recogniser,
and the rule decides. A cut-in is a pause that is longer than the wait before it.
"""

import argparse
import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from livekit import rtc
from livekit.agents import vad

from agent.models.voice_activity import VoiceActivity
from agent.text.turn_end import Pauses, asked_kind, ending_of, turn_wait_s
from bench.models import whisper_folder
from bench.result import Measured, summarise
from bench.spoken import FOLDER, speak_with_piper
from harness.voices import trimmed
from speech.engine import DecodeOptions, Engine
from speech.wire import RATE

PAUSES_S = (0.3, 4.0)
PLAIN_WAIT_S = 0.5  # livekit-agents in VAD mode
ANSWERS_PER_LEARNER = 12  # who is then replaced by another, with pauses of their own
FRAME_SAMPLES = RATE // 20


@dataclass(frozen=True)
class ThinkingAnswer:
    """What the tutor asked, and the answer with a pause in it."""

    question: str
    before: str
    after: str


@dataclass
class Waits:
    """`added_ms` is the wait at the end of each turn, beyond that of plain livekit-agents."""

    cut_in: list[bool] = field(default_factory=list)
    plain_cut_in: list[bool] = field(default_factory=list)
    end_ms: list[float] = field(default_factory=list)
    cut_answers: list[str] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="base", help="Whisper model")


async def run(arguments: argparse.Namespace) -> Measured:
    """A run says every answer once."""
    answers = read_answers()
    sounds = await asyncio.to_thread(
        speak_with_piper, [part for one in answers for part in (one.before, one.after)]
    )
    parts = [trimmed(sound) for sound in sounds]
    engine = Engine(whisper_folder(arguments.model))
    waits, random_ = Waits(), random.Random(arguments.seed)  # noqa: S311 not a secret
    for _ in range(arguments.runs):
        order = random_.sample(range(len(answers)), len(answers))
        pauses = Pauses()
        for number, index in enumerate(order):
            if number % ANSWERS_PER_LEARNER == 0:
                pauses = Pauses()
            sound = (parts[2 * index], parts[2 * index + 1])
            pause_s = random_.uniform(*PAUSES_S)
            measure_answer(engine, answers[index], sound, pause_s, pauses, waits)
    for text in waits.cut_answers:
        print(f"cut in: {text}")
    share = sum(waits.cut_in) / len(waits.cut_in)
    return Measured(
        unit="ms",
        ours=summarise(waits.end_ms),
        quality={
            "cut_in_share": share,
            "plain_cut_in_share": sum(waits.plain_cut_in) / len(waits.plain_cut_in),
            "added_p50_ms": summarise(waits.end_ms).p50 - 1000 * PLAIN_WAIT_S,
            "pauses": len(waits.cut_in),
        },
    )


def measure_answer(
    engine: Engine,
    answer: ThinkingAnswer,
    sound: tuple[np.ndarray, np.ndarray],
    pause_s: float,
    pauses: Pauses,
    waits: Waits,
) -> None:
    silence = np.zeros(int(pause_s * RATE), np.int16)
    spoken = np.concatenate([sound[0], silence, sound[1]])
    asked, text, last_end_s = asked_kind(answer.question), "", None
    wait_s = PLAIN_WAIT_S
    for began_s, ended_s, pcm in utterances(spoken):
        if last_end_s is not None:
            quiet_s = began_s - last_end_s
            waits.plain_cut_in.append(quiet_s > PLAIN_WAIT_S)
            waits.cut_in.append(quiet_s > wait_s)
            if quiet_s > wait_s:
                waits.cut_answers.append(f"{quiet_s:.1f} s after {text!r} ({asked})")
            pauses.note_pause(quiet_s, after=ending_of(text))
        found = engine.recognise(pcm, DecodeOptions()).text
        text = f"{text} {found}".strip()
        wait_s, last_end_s = turn_wait_s(text, asked, pauses), ended_s
    pauses.note_turn_end(after=ending_of(text))
    waits.end_ms.append(1000 * wait_s)


def utterances(samples: np.ndarray) -> Iterator[tuple[float, float, bytes]]:
    """Begin, end and PCM of each utterance, in seconds from the first sample."""
    activity, beside = VoiceActivity(), np.zeros(RATE, np.int16)
    padded = np.concatenate([beside, samples, beside])
    began_s = 0.0
    for at in range(0, len(padded) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        pcm = padded[at : at + FRAME_SAMPLES].tobytes()
        for event in activity.push_frame(rtc.AudioFrame(pcm, RATE, 1, FRAME_SAMPLES)):
            if event.type is vad.VADEventType.START_OF_SPEECH:
                began_s = event.timestamp - event.speech_duration
            elif event.type is vad.VADEventType.END_OF_SPEECH:
                ended_s = event.timestamp - event.silence_duration
                yield began_s, ended_s, bytes(event.frames[0].data.cast("B"))


def read_answers() -> list[ThinkingAnswer]:
    lines = (FOLDER / "thinking.txt").read_text().splitlines()
    return [ThinkingAnswer(*(part.strip() for part in line.split("|"))) for line in lines]
