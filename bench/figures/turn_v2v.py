"""Voice to voice: from the end of a spoken question to the first sound of the answer."""

import argparse
import asyncio
from pathlib import Path

from bench.answer_delay import Delays, ask_all, join_with_pauses
from bench.baselines.install import PIPECAT, NotInstalled
from bench.baselines.livekit_agents import running_plain_worker
from bench.baselines.pipecat import running_pipecat
from bench.baselines.plain_options import PlainOptions
from bench.baselines.transcriber import CannotRun
from bench.models import whisper_folder
from bench.registry import OURS, PLAIN
from bench.result import Failed, Measured, summarise
from bench.rooms_in_turns import TutorRoom, rooms_in_turns
from bench.spoken import PIPER_VOICE, Pcm, speak_with_piper
from harness.learner import RATE
from harness.provider import MODEL, running_model_provider
from harness.stack import running_stack
from harness.voices import resampled
from speech.wire import RATE as SPOKEN_RATE

FIRST_TOKEN_S = 0.15
REPLY = "Gradient descent takes small steps downhill."
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
    """A run asks us, the plain worker and pipecat every question."""
    spoken = await asyncio.to_thread(speak_with_piper, QUESTIONS)
    questions = [join_with_pauses([one], 0.0) for one in spoken]
    folder = whisper_folder(arguments.model)
    delays = {name: Delays() for name in (OURS, PLAIN, PIPECAT)}
    pipecat_error = ""

    async def ask_questions(room: TutorRoom) -> None:
        await ask_all(room, questions, delays[room.name])

    with running_model_provider() as model:
        model.fixed_answer, model.first_token_s = REPLY, FIRST_TOKEN_S
        options = PlainOptions(str(folder), str(PIPER_VOICE), model.url)
        with (
            running_stack(
                WHISPER_MODEL=str(folder),
                VOICE_MODEL=str(PIPER_VOICE),
                LLM_BASE_URL=model.url,
                LLM_MODEL=MODEL,
                LLM_API_KEY="x",
            ) as stack,
            running_plain_worker(stack, options) as plain,
        ):
            async with rooms_in_turns(stack, plain) as rooms:
                for _ in range(arguments.runs):
                    await rooms.talk_in_each(ask_questions)
                    pipecat_error = await ask_pipecat(folder, model.url, questions, delays[PIPECAT])
    ours, theirs, of_pipecat = delays[OURS], delays[PLAIN], delays[PIPECAT]
    return Measured(
        unit="ms",
        ours=summarise(ours.answer_ms),
        baselines={
            PLAIN: summarise(theirs.answer_ms),
            PIPECAT: summarise(of_pipecat.answer_ms)
            if of_pipecat.answer_ms
            else Failed(pipecat_error),
        },
        quality={
            "early_cuts": ours.early_cuts,
            "plain_early_cuts": theirs.early_cuts,
            "pipecat_early_cuts": of_pipecat.early_cuts,
        },
    )


async def ask_pipecat(folder: Path, llm_url: str, questions: list[Pcm], delays: Delays) -> str:
    """Asks a new bot, so that none runs beside the others. Returns why it failed, or ""."""
    try:
        async with running_pipecat(folder, PIPER_VOICE, llm_url) as bot:
            for question in questions:
                seconds = await bot.ask(resampled(question, RATE, SPOKEN_RATE).tobytes())
                if seconds < 0:
                    delays.early_cuts += 1
                else:
                    delays.answer_ms.append(1000 * seconds)
    except (NotInstalled, CannotRun, TimeoutError) as error:
        return str(error) or "no answer in time"
    return ""
