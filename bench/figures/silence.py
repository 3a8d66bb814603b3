"""Phantom text: what is heard when nobody speaks, and when somebody speaks another language.

First through detector and engine, faster than real time; then through a room in real time.
"""

import argparse
import asyncio
import itertools
import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from livekit import rtc
from livekit.agents import vad

import prompts
from agent.room.participant_voice import HeardUtterance, ParticipantVoice
from bench.models import whisper_folder
from bench.result import Measured, summarise
from bench.sounds import SOUNDS, make_sound
from bench.spoken import Pcm, pick_evenly, put_in_room, speak_with_espeak
from harness.learner import RATE as ROOM_RATE
from harness.learner import Account, Learner
from harness.stack import running_stack
from harness.voices import resampled
from speech.engine import DecodeOptions, Engine
from speech.wire import RATE, Recognition

PIECE_S = 20.0  # of one kind of sound at one level
LEVELS_DB = (-50.0, -40.0, -32.0, -24.0, -16.0, -8.0)
FRAME_SAMPLES = RATE // 20
REPLY_S = 8.0  # in which the tutor would answer
FOREIGN = {
    "de": (
        "Ich verstehe die Frage nicht.",
        "Kannst du das bitte noch einmal wiederholen?",
        "Wie berechnet man den Gradienten einer Funktion?",
        "Das Wetter ist heute sehr schön und wir gehen spazieren.",
        "Warum braucht man ein neuronales Netz?",
        "Der Hund läuft durch den Garten.",
    ),
    "fr": (
        "Je ne comprends pas la question.",
        "Peux-tu répéter la dernière partie, s'il te plaît?",
        "Comment calcule-t-on le gradient d'une fonction?",
        "Il fait très beau aujourd'hui et nous allons nous promener.",
        "Pourquoi faut-il un réseau de neurones?",
        "Le chien court dans le jardin.",
    ),
}
FOREIGN_IN_ROOM = 2  # of each language
NOT_UNDERSTOOD = ("not_heard", "other_language")  # lines of prompts/talk.md


@dataclass
class Ears:
    """A recogniser in this process, and what it and the detector hear from a microphone."""

    engine: Engine
    heard: list[HeardUtterance] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def recognise(self, pcm: bytes, **_: object) -> Recognition:
        return await asyncio.to_thread(self.engine.recognise, pcm, DecodeOptions())

    def on_speech(self, identity: str, event: vad.VADEvent) -> None:
        pass

    def on_utterance(self, heard: HeardUtterance) -> None:
        if heard.kind != "late":
            self.heard.append(heard)

    def wants_interims(self, identity: str) -> bool:
        return False

    async def listen(self, pcm: Pcm) -> list[HeardUtterance]:
        """The utterances in a sound, which begins and ends with silence."""
        self.heard = []
        voice = ParticipantVoice(
            "l_bench", self, self, next_segment_id=lambda: str(next(self.numbers))
        )
        for at in range(0, len(pcm) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
            frame = rtc.AudioFrame(pcm[at : at + FRAME_SAMPLES].tobytes(), RATE, 1, FRAME_SAMPLES)
            voice.push_frame(frame, at / RATE)
        voice.end_speech()
        await voice.wait_until_recognised()
        await voice.aclose()
        return self.heard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="base", help="base, tiny.en or a folder")
    parser.add_argument("--minutes", type=float, default=60.0, help="through detector and engine")
    parser.add_argument("--room-minutes", type=float, default=3.0, help="through a room")
    parser.add_argument("--seed", type=int, default=1)


async def run(arguments: argparse.Namespace) -> Measured:
    began, model = time.process_time(), whisper_folder(arguments.model)
    ears = Ears(await asyncio.to_thread(Engine, model))
    finals, detected = await count_finals(ears, arguments.minutes, arguments.seed)
    foreign = await hear_foreign_speech(ears)
    cpu_s = time.process_time() - began
    quality: dict[str, float] = {
        "minutes": arguments.minutes,
        "detected": detected.total(),
        "finals": finals.total(),
        **{f"finals_{kind}": count for kind, count in finals.items()},
        **foreign,
    }
    if arguments.room_minutes > 0:
        quality |= await measure_room(model, arguments.room_minutes, arguments.seed)
    return Measured(
        "final segments", summarise([finals.total()]), quality=quality, cpu_s={"ours": cpu_s}
    )


async def count_finals(ears: Ears, minutes: float, seed: int) -> tuple[Counter[str], Counter[str]]:
    """Finals with text, and utterances of the detector, by kind of sound."""
    finals: Counter[str] = Counter()
    detected: Counter[str] = Counter()
    for kind, pcm in make_pieces(minutes, seed):
        heard = await ears.listen(pcm)
        detected[kind] += len(heard)
        finals[kind] += sum(bool(one.text) for one in heard)
    return +finals, detected


def make_pieces(minutes: float, seed: int) -> Iterator[tuple[str, Pcm]]:
    """All kinds of sound in turn, each time at another level."""
    kinds = list(SOUNDS)
    for number in range(math.ceil(60 * minutes / PIECE_S)):
        kind, level_db = kinds[number % len(kinds)], LEVELS_DB[number % len(LEVELS_DB)]
        yield kind, make_sound(kind, PIECE_S, seed + number, level_db)


async def hear_foreign_speech(ears: Ears) -> dict[str, float]:
    """`foreign_texts`: sentences in another language that became text, which is answered."""
    said = texts = 0
    for language, sentences in FOREIGN.items():
        for pcm in await speak_with_espeak(sentences, voice=language):
            heard = await ears.listen(put_in_room(pcm))
            said += 1
            texts += any(one.kind == "final" and one.text for one in heard)
    return {"foreign_said": said, "foreign_texts": texts}


async def measure_room(model: Path, minutes: float, seed: int) -> dict[str, float]:
    with running_stack(WHISPER_MODEL=str(model)) as stack:
        account = await Account(stack.url, "Bench").sign_in()
        course = await account.get_course()
        learner = await Learner(account).join_past_greeting(course["modules"][0]["id"])
        began = time.monotonic()
        for _, pcm in make_pieces(minutes, seed):
            await learner.play(resampled(pcm, RATE, ROOM_RATE))
        await asyncio.sleep(REPLY_S)
        found: dict[str, float] = {
            "room_minutes": minutes,
            "room_finals": sum(one.final and bool(one.text) for one in learner.own_captions(began)),
            "answers": len(learner.tutor_captions(began)),
        }
        found |= await speak_foreign_in_room(learner)
        await learner.leave()
        await account.close()
    return found


async def speak_foreign_in_room(learner: Learner) -> dict[str, float]:
    """`foreign_answers` pretend to have understood; `foreign_told` counts those that do not."""
    answers = told = 0
    lines = {prompts.render(name).strip() for name in NOT_UNDERSTOOD}
    for language, sentences in FOREIGN.items():
        picked = pick_evenly(sentences, FOREIGN_IN_ROOM)
        for pcm in await speak_with_espeak(picked, voice=language):
            _, ended = await learner.play(resampled(put_in_room(pcm), RATE, ROOM_RATE))
            await asyncio.sleep(REPLY_S)
            said = [one.text.strip() for one in learner.tutor_captions(ended)]
            told += any(text in line for line in lines for text in said)
            answers += any(all(text not in line for line in lines) for text in said)
    return {"foreign_answers": answers, "foreign_told": told}
