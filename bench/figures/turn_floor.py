"""The floor of an answer's delay: the models answer at once, so only turn-taking takes time."""

import argparse
import asyncio
from dataclasses import dataclass

from bench.answer_delay import (
    Delays,
    ask_and_listen,
    join_and_hear_greeting,
    join_with_pauses,
)
from bench.baselines.livekit_agents import delete_room, running_plain_worker
from bench.baselines.plain_options import PlainOptions
from bench.figures.turn_v2v import REPLY
from bench.models import whisper_folder
from bench.registry import PLAIN
from bench.result import Measured, summarise
from bench.spoken import Pcm, speak_with_piper
from harness.learner import RATE, Account, Learner
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
    """`texts` are of its utterances by their length in seconds, and of the whole."""

    sound: Pcm
    texts: list[tuple[float, str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None beside `--runs`: a run asks every question in a room of each."""


async def run(arguments: argparse.Namespace) -> Measured:
    questions = await asyncio.to_thread(speak_questions)
    ours, theirs = Delays(), Delays()
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
            account = await Account(stack.url, "Bench").sign_in()
            course = await account.get_course()
            module = course["modules"][0]["id"]
            for _ in range(arguments.runs):
                await delete_room(stack.settings, f"{course['id']}-{module}")
                ticket = await account.request_join_ticket(module)
                await ask_all(Learner(account), ticket, questions, model, ours)
                async with plain.room() as plain_ticket:
                    await ask_all(Learner(account), plain_ticket, questions, model, theirs)
            await account.close()
    return Measured(
        unit="ms",
        ours=summarise(ours.answer_ms),
        baselines={PLAIN: summarise(theirs.answer_ms)},
        quality={"early_cuts": ours.early_cuts, "plain_early_cuts": theirs.early_cuts},
    )


async def ask_all(
    learner: Learner,
    ticket: dict[str, str],
    questions: list[SpokenQuestion],
    model: ModelServer,
    delays: Delays,
) -> None:
    await join_and_hear_greeting(learner, ticket)
    for question in questions:
        model.texts_by_length = question.texts  # the recogniser knows what is said, at once
        await ask_and_listen(learner, question.sound, delays)
    await learner.leave()


def speak_questions() -> list[SpokenQuestion]:
    questions = []
    for parts in QUESTIONS:
        spoken = [trimmed(one) for one in speak_with_piper(parts)]
        sound = join_with_pauses(spoken, PAUSE_S)
        lengths = [len(one) / SPOKEN_RATE + BESIDE_S for one in spoken]
        whole = (len(sound) / RATE + BESIDE_S, " ".join(parts))
        questions.append(SpokenQuestion(sound, [*zip(lengths, parts, strict=True), whole]))
    return questions
