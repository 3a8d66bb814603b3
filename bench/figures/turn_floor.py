"""The floor of an answer's delay: the models answer at once, so only turn-taking takes time."""

import argparse
import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from bench.answer_delay import Delays, ask_all, join_with_pauses
from bench.baselines.livekit_agents import running_plain_worker
from bench.baselines.plain_options import PlainOptions
from bench.figures.turn_v2v import REPLY
from bench.models import whisper_folder
from bench.registry import OURS, PLAIN
from bench.result import Measured, summarise
from bench.rooms_in_turns import TutorRoom, rooms_in_turns
from bench.spoken import Pcm, speak_with_piper
from harness.learner import RATE
from harness.provider import MODEL, ModelServer, running_model_provider
from harness.stack import running_stack
from harness.voices import trimmed
from speech.wire import RATE as SPOKEN_RATE

PAUSE_S = 0.8
QUESTIONS = (
    ("What is gradient descent?",),
    ("What is the difference between the", "training set, the validation set and the test set?"),
    ("Why is a high learning rate bad?",),
    ("I would like to know how", "a neural network learns from its training data."),
    ("Can you explain overfitting?",),
)
BESIDE_S = 0.7  # of silence around an utterance, as the recogniser gets it


@dataclass(frozen=True)
class SpokenQuestion:
    """`texts` has the text of each utterance and of the whole, with the length in seconds."""

    sound: Pcm
    texts: list[tuple[float, str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None besides `--runs`: a run asks every question once in each room."""


async def run(arguments: argparse.Namespace) -> Measured:
    questions = await asyncio.to_thread(speak_questions)
    delays = {OURS: Delays(), PLAIN: Delays()}
    with running_model_provider() as model:
        model.fixed_answer = REPLY
        addresses = {"stt_url": model.url, "llm_url": model.url, "tts_url": model.url}
        remote = {f"{kind}_BASE_URL": model.url for kind in ("STT", "LLM", "TTS")}
        names = {f"{kind}_MODEL": MODEL for kind in ("STT", "LLM", "TTS")}
        options = PlainOptions(str(whisper_folder("test")), **addresses)
        with (
            running_stack(**remote, **names) as stack,
            running_plain_worker(stack, options) as plain,
        ):

            async def ask_questions(room: TutorRoom) -> None:
                await ask_all(room, prepare_recogniser(model, questions), delays[room.name])

            async with rooms_in_turns(stack, plain) as rooms:
                for _ in range(arguments.runs):
                    await rooms.talk_in_each(ask_questions)
    ours, theirs = delays[OURS], delays[PLAIN]
    return Measured(
        unit="ms",
        ours=summarise(ours.answer_ms),
        baselines={PLAIN: summarise(theirs.answer_ms)},
        quality={"early_cuts": ours.early_cuts, "plain_early_cuts": theirs.early_cuts},
    )


def prepare_recogniser(model: ModelServer, questions: list[SpokenQuestion]) -> Iterator[Pcm]:
    """Yields the sound of each question once the recogniser knows what it will hear."""
    for question in questions:
        model.texts_by_length = question.texts
        yield question.sound


def speak_questions() -> list[SpokenQuestion]:
    questions = []
    for parts in QUESTIONS:
        spoken = [trimmed(one) for one in speak_with_piper(parts)]
        sound = join_with_pauses(spoken, PAUSE_S)
        lengths = [len(one) / SPOKEN_RATE + BESIDE_S for one in spoken]
        whole = (len(sound) / RATE + BESIDE_S, " ".join(parts))
        questions.append(SpokenQuestion(sound, [*zip(lengths, parts, strict=True), whole]))
    return questions
