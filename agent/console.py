"""The console: the same tutor on the sample course, without a server, API keys or a database.

In text mode, each line of input gets one line of output that starts with `Bodh: `.
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
from agent.talk.tutor_speech import Pace
from courses.memory import MemoryLibrary
from settings import Settings
from tools.desk import Asker, Desk
from tools.greeting import greeting_text

SAMPLE_COURSE = Path(__file__).parent.parent / "db" / "sample"
LEARNER_ID = uuid5(UUID(int=0), "console")
NOTHING_SAID = "..."  # an empty line is a turn too


async def run_text_console(settings: Settings) -> None:
    desk = await open_console_desk(MemoryLibrary.from_folder(SAMPLE_COURSE), SilentVoice())
    session: AgentSession[None] = AgentSession(llm=choose_llm(settings, desk))
    await session.start(Tutor(desk), record=False)
    try:
        print_line(await record_visit_and_compose_greeting(desk))
        async for line in read_typed_lines():
            print_line(await answer_line(session, line))
    finally:
        await session.aclose()


async def run_livekit_console(ctx: JobContext, settings: Settings) -> None:
    """Runs the tutor in LiveKit's own console, in audio or text mode.

    Speech needs a running speech engine (`make up`, or `python -m speech`).
    """
    from agent.models.choice import build_llm, build_models
    from speech.client import client_for

    engine = client_for(settings)
    ctx.add_shutdown_callback(engine.aclose)
    models = build_models(settings, engine)
    desk = await open_console_desk(MemoryLibrary.from_folder(SAMPLE_COURSE), models)
    session: AgentSession[None] = AgentSession(
        stt=models.stt,
        llm=build_llm(settings, desk)[0],
        tts=models.tts,
        turn_handling=TurnHandlingOptions(turn_detection="vad", interruption={"mode": "vad"}),
    )
    await session.start(Tutor(desk), record=False)
    session.say(await record_visit_and_compose_greeting(desk))


class SilentVoice:
    def set_rate(self, factor: float) -> None: ...


class ConsoleTalk:
    def __init__(self, asker: Asker, library: MemoryLibrary, pace: Pace) -> None:
        self.asker = asker
        self.rate = 1.0
        self.overheard: tuple[tuple[str, str], ...] = ()  # nobody else is here
        self._library = library
        self._pace = pace

    async def change_lesson(self, lesson_id: UUID) -> None:
        lesson = await self._library.get_lesson(lesson_id)
        self.asker.lesson_id = lesson.id
        await self._library.record_visit(self.asker.account_id, lesson.id, datetime.now(UTC))

    def set_rate(self, factor: float) -> None:
        self.rate = factor
        self._pace.set_rate(factor)


async def open_console_desk(library: MemoryLibrary, pace: Pace) -> Desk:
    course_id = library.tree.course.id
    outline = await library.list_outline(course_id)
    asker = Asker(account_id=LEARNER_ID, name=name_of_os_user(), lesson_id=outline[0].id)
    return Desk(
        library, course_id, ConsoleTalk(asker, library, pace), now=lambda: datetime.now(UTC)
    )


def name_of_os_user() -> str:
    try:
        return getuser().capitalize()
    except (KeyError, OSError):  # the user of a container may have no name
        return "Learner"


def choose_llm(settings: Settings, desk: Desk) -> llm.LLM[Any]:
    if not settings.cloud_llm:
        return OfflineTutor(desk)
    from agent.models.choice import build_llm  # slow: it loads every provider

    return build_llm(settings, desk)[0]


async def record_visit_and_compose_greeting(desk: Desk) -> str:
    visit = await desk.library.describe_visit(desk.account_id, desk.course_id, desk.lesson_id)
    text = await greeting_text(
        desk.library,
        desk.course_id,
        learner=desk.learner_name,
        lesson_id=desk.lesson_id,
        visit=visit,
    )
    if desk.lesson_id is not None:
        await desk.library.record_visit(desk.account_id, desk.lesson_id, desk.now())
    desk.asker.last_answer = text
    return text


async def answer_line(session: AgentSession[None], line: str) -> str:
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


def print_line(text: str) -> None:
    print("Bodh:", " ".join(text.split()), flush=True)  # else a pipe would buffer it


async def read_typed_lines() -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read_stdin() -> None:
        while line := sys.stdin.readline():
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, "")

    # a daemon, so that Ctrl-C does not wait for the next line
    threading.Thread(target=read_stdin, name="console-input", daemon=True).start()
    while line := await lines.get():
        yield line
