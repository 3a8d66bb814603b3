"""The text console: the tutor of the rooms over the sample course, by standard input and output.

No server, key, database or sound card. One line in, one line that begins with `Bodh: ` out.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from livekit.agents import (
    AgentSession,
    APIError,
    JobContext,
    RunResult,
    TurnHandlingOptions,
    llm,
)

import prompts
from agent.offline.tutor import OfflineTutor
from agent.talk.tutor import Tutor
from courses.memory import MemoryLibrary
from settings import Settings
from tools.desk import Desk
from tools.greeting import greeting

SAMPLE = Path(__file__).parent.parent / "db" / "sample"
LEARNER_ID = uuid5(UUID(int=0), "console")
NOTHING_SAID = "..."  # an empty line is a turn, too


async def run_text_console(settings: Settings) -> None:
    """Greets, answers each line of standard input, returns at its end."""
    desk = await open_desk(MemoryLibrary.from_folder(SAMPLE))
    session: AgentSession[None] = AgentSession(llm=choose_llm(settings, desk))
    await session.start(Tutor(desk), record=False)
    try:
        say(await first_words(desk))
        async for line in typed_lines():
            say(await reply(session, line))
    finally:
        await session.aclose()


async def converse(ctx: JobContext, settings: Settings) -> None:
    """LiveKit's own console, by sound or text: the same brain over the sample course.

    Sound needs a running speech engine (`make up`, or `python -m speech`).
    """
    from agent.models.choice import build_llm, build_models
    from speech.client import SpeechClient

    desk = await open_desk(MemoryLibrary.from_folder(SAMPLE))
    engine = SpeechClient(settings.speech_address)
    ctx.add_shutdown_callback(engine.aclose)
    models = build_models(settings, engine)
    desk.set_rate = models.set_rate
    session: AgentSession[None] = AgentSession(
        stt=models.stt,
        llm=build_llm(settings, desk)[0],
        tts=models.tts,
        turn_handling=TurnHandlingOptions(turn_detection="vad", interruption={"mode": "vad"}),
    )
    await session.start(Tutor(desk), record=False)
    session.say(await first_words(desk))


async def open_desk(library: MemoryLibrary) -> Desk:
    """The desk of one learner at the first lesson of the course."""
    outline = await library.outline(library.tree.course.id)

    async def change_lesson(lesson_id: UUID) -> None:
        lesson = await library.lesson(lesson_id)
        desk.lesson_id, desk.module_id = lesson.id, lesson.module_id
        await library.record_visit(desk.account_id, lesson.id, desk.now())

    desk = Desk(
        library=library,
        course_id=library.tree.course.id,
        module_id=outline[0].module_id,
        account_id=LEARNER_ID,
        learner_name=learner_name(),
        lesson_id=outline[0].id,
        change_lesson=change_lesson,
        set_rate=lambda _: None,  # text has no pace
        now=lambda: datetime.now(UTC),
    )
    return desk


def learner_name() -> str:
    """The name of the account that runs the console."""
    try:
        return getuser().capitalize()
    except (KeyError, OSError):  # a container may run as a number without a name
        return "Learner"


def choose_llm(settings: Settings, desk: Desk) -> llm.LLM[Any]:
    """The language model of the settings, else the offline tutor."""
    if not settings.cloud_llm:
        return OfflineTutor(desk)
    from agent.models.choice import build_llm  # loads every provider, which a console rarely needs

    return build_llm(settings, desk)[0]


async def first_words(desk: Desk) -> str:
    """The greeting of the session type; records the visit."""
    visit = await desk.library.visit(desk.account_id, desk.course_id, desk.lesson_id)
    text = await greeting(
        desk.library,
        desk.course_id,
        learner=desk.learner_name,
        lesson_id=desk.lesson_id,
        visit=visit,
    )
    if desk.lesson_id is not None:
        await desk.library.record_visit(desk.account_id, desk.lesson_id, desk.now())
    desk.last_answer = text
    return text


async def reply(session: AgentSession[None], line: str) -> str:
    """What the tutor says to a line."""
    result: RunResult[None] = session.run(user_input=line.strip() or NOTHING_SAID)
    try:
        await result
    except (APIError, RuntimeError):
        return prompts.render("provider_failed")
    spoken = [
        event.item.text_content or ""
        for event in result.events
        if event.type == "message" and event.item.role == "assistant"
    ]
    return " ".join(spoken) or prompts.render("provider_failed")


def say(text: str) -> None:
    """One line of the tutor, on the screen at once also where it goes into a pipe."""
    print("Bodh:", " ".join(text.split()), flush=True)


async def typed_lines() -> AsyncIterator[str]:
    """The lines of standard input as they come, from a terminal, a pipe or a file."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        while line := sys.stdin.readline():
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, "")

    # a daemon: Ctrl-C must not wait for a thread that waits for a line
    threading.Thread(target=read, name="console-input", daemon=True).start()
    while line := await lines.get():
        yield line
