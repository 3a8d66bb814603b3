"""Voice to voice: from the end of a spoken question to the first sound of the answer."""

import argparse
import asyncio

from bench.answer_delay import (
    Delays,
    ask_and_listen,
    join_and_hear_greeting,
    join_with_pauses,
)
from bench.baselines.livekit_agents import delete_room, running_plain_worker
from bench.baselines.plain_options import PlainOptions
from bench.models import whisper_folder
from bench.registry import PLAIN
from bench.result import Measured, summarise
from bench.spoken import PIPER_VOICE, Pcm, speak_with_piper
from harness.learner import Account, Learner
from harness.provider import MODEL, running_model_provider
from harness.stack import running_stack

FIRST_TOKEN_S = 0.15
REPLY = "Gradient descent takes small steps downhill. Each step makes the loss smaller."
QUESTIONS = (
    "What is gradient descent?",
    "How does the learning rate change the steps?",
    "Why do we need a test set?",
    "Can you give me an example of overfitting?",
    "What does the loss function measure?",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="base", help="Whisper model of both")


async def run(arguments: argparse.Namespace) -> Measured:
    """A run asks every question in a room of ours and in one of the plain worker."""
    spoken = await asyncio.to_thread(speak_with_piper, QUESTIONS)
    questions = [join_with_pauses([one], 0.0) for one in spoken]
    folder = whisper_folder(arguments.model)
    ours, theirs = Delays(), Delays()
    with running_model_provider() as model:
        model.fixed_answer, model.first_token_s = REPLY, FIRST_TOKEN_S
        options = PlainOptions(str(folder), str(PIPER_VOICE), model.url)
        with (
            running_stack(
                WHISPER_MODEL=str(folder), LLM_BASE_URL=model.url, LLM_MODEL=MODEL, LLM_API_KEY="x"
            ) as stack,
            running_plain_worker(stack, options) as plain,
        ):
            account = await Account(stack.url, "Bench").sign_in()
            course = await account.get_course()
            module = course["modules"][0]["id"]
            for _ in range(arguments.runs):
                await delete_room(stack.settings, f"{course['id']}-{module}")
                ticket = await account.request_join_ticket(module)
                await ask_all(Learner(account), ticket, questions, ours)
                async with plain.room() as plain_ticket:
                    await ask_all(Learner(account), plain_ticket, questions, theirs)
                print(f"ours {ours.answer_ms}, plain {theirs.answer_ms}", flush=True)
            await account.close()
    return Measured(
        unit="ms",
        ours=summarise(ours.answer_ms),
        baselines={PLAIN: summarise(theirs.answer_ms)},
        quality={"early_cuts": ours.early_cuts, "plain_early_cuts": theirs.early_cuts},
    )


async def ask_all(
    learner: Learner, ticket: dict[str, str], questions: list[Pcm], delays: Delays
) -> None:
    await join_and_hear_greeting(learner, ticket)
    for question in questions:
        await ask_and_listen(learner, question, delays)
    await learner.leave()
