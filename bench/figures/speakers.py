"""Three learners who talk at once in one room: who said what, and what each is told."""

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.models import whisper_folder
from bench.result import Measured, summarise
from bench.spoken import Pcm, list_sentences, pick_evenly, speak_with_espeak, speak_with_piper
from bench.word_errors import count_errors
from courses.lexemes import normalise
from harness.learner import RATE as ROOM_RATE
from harness.learner import Account, Caption, Learner
from harness.stack import running_stack
from harness.voices import resampled
from speech.wire import RATE

NAMES = ("Amina", "Tomas", "Badr")
LATER_S = 0.8  # the most by which one voice begins after another
SETTLED_S = 2.5  # without a new caption: then everything is recognised and answered
PATIENCE_S = 40.0
RECALL = "what did I just say"


@dataclass(frozen=True)
class Round:
    """What each learner said, by identity, and the captions that the first learner saw."""

    said: dict[str, str]
    captions: list[Caption]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="base", help="base, tiny.en or a folder")


async def run(arguments: argparse.Namespace) -> Measured:
    model = whisper_folder(arguments.model)
    texts = pick_evenly(list_sentences(), len(NAMES) * arguments.runs)
    spoken = dict(zip(texts, await speak_in_turns(texts), strict=True))
    with running_stack(WHISPER_MODEL=str(model)) as stack:
        learners = [await join_room(stack.url, name) for name in NAMES]
        rounds, leaks = [], 0
        for number in range(arguments.runs):
            chosen = texts[len(NAMES) * number :][: len(NAMES)]
            rounds.append(await talk_at_once(learners, chosen, spoken))
            leaks += await count_leaks(learners, rounds[-1])
        await asyncio.gather(*(learner.leave() for learner in learners))
        await asyncio.gather(*(learner.account.close() for learner in learners))
    return report(rounds, leaks)


async def speak_in_turns(texts: Sequence[str]) -> list[Pcm]:
    """Each learner has a voice of their own."""
    voices = [
        await asyncio.to_thread(speak_with_piper, texts[0 :: len(NAMES)]),
        await speak_with_espeak(texts[1 :: len(NAMES)], voice="en-us"),
        await speak_with_espeak(texts[2 :: len(NAMES)], voice="en-gb"),
    ]
    return [voices[number % len(NAMES)][number // len(NAMES)] for number in range(len(texts))]


async def join_room(url: str, name: str) -> Learner:
    account = await Account(url, name).sign_in()
    course = await account.get_course()
    return await Learner(account).join_past_greeting(course["modules"][0]["id"])


async def talk_at_once(
    learners: Sequence[Learner], texts: Sequence[str], spoken: dict[str, Pcm]
) -> Round:
    later = random.Random(texts[0])  # noqa: S311 not a secret
    began = time.monotonic()

    async def speak(learner: Learner, text: str) -> None:
        await asyncio.sleep(later.uniform(0, LATER_S))
        await learner.play(resampled(spoken[text], RATE, ROOM_RATE))

    await asyncio.gather(*map(speak, learners, texts))
    await wait_until_settled(learners)
    identities = [learner.identity for learner in learners]
    seen = [
        one
        for one in learners[0].captions.values()
        if one.first_at > began and one.final and one.identity in identities and one.text.strip()
    ]
    return Round(dict(zip(identities, texts, strict=True)), seen)


async def wait_until_settled(learners: Sequence[Learner]) -> None:
    """Waits until nobody has seen a new caption or heard the tutor for a while."""
    began = time.monotonic()

    def is_settled() -> bool:
        newest = [caption.at for one in learners for caption in one.captions.values()]
        heard = [one.last_sound() for one in learners]
        return time.monotonic() - max([began, *newest, *heard]) > SETTLED_S

    await learners[0].until(is_settled, PATIENCE_S, "silence")


async def count_leaks(learners: Sequence[Learner], spoken: Round) -> int:
    """Asks each what they just said. Counts the answers with somebody else's words."""
    leaks = 0
    for learner in learners:
        asked = time.monotonic()
        await learner.type(RECALL)
        told = await learner.wait_for_answer(asked)
        leaks += find_speaker(told, spoken.said) != learner.identity
    return leaks


def find_speaker(heard: str, said: dict[str, str]) -> str:
    """The identity of the learner whose sentence is most like the text."""
    return min(said, key=lambda identity: count_errors(said[identity], heard).errors)


def report(rounds: Sequence[Round], leaks: int) -> Measured:
    """The share of words, in each round, whose caption names the right speaker."""
    shares = []
    for one in rounds:
        words = [(len(normalise(c.text).split()), c) for c in one.captions]
        right = sum(count for count, c in words if find_speaker(c.text, one.said) == c.identity)
        shares.append(right / max(1, sum(count for count, _ in words)))
    heard = {(number, c.identity) for number, one in enumerate(rounds) for c in one.captions}
    return Measured(
        "share",
        summarise(shares),
        quality={
            "attributed": min(shares),
            "leaks": leaks,
            "heard": len(heard),
            "said": len(NAMES) * len(rounds),
        },
    )
