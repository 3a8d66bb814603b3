"""A desk over the sample course in memory, and agent sessions that use it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from uuid import UUID

from livekit.agents import AgentSession, RunResult, llm

from agent.offline.tutor import OfflineTutor
from agent.talk.tutor import Tutor
from courses.folder import read_course
from courses.memory import NIL, MemoryLibrary
from courses.tree import CourseTree, build_tree
from db import Forbidden
from tools.desk import Asker, Desk

SAMPLE = Path(__file__).parent.parent.parent / "db" / "sample"
AMINA = UUID(int=7)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CLOSED = "That lesson belongs to another module."


@cache
def sample_tree() -> CourseTree:
    """The sample course, read once per run."""
    return build_tree(read_course(SAMPLE), NIL)


@dataclass
class Seat:
    """A conversation with one learner at a time, chosen by the test."""

    asker: Asker
    closed: frozenset[UUID] = frozenset()  # lessons that are refused
    rate: float = 1.0
    overheard: tuple[tuple[str, str], ...] = ()

    async def change_lesson(self, lesson_id: UUID) -> None:
        if lesson_id in self.closed:
            raise Forbidden(CLOSED)
        self.asker.lesson_id = lesson_id

    def set_rate(self, factor: float) -> None:
        self.rate = factor


async def open_seat(lesson_number: int = 1, *, one_module: bool = False) -> tuple[Desk, Seat]:
    """Amina's desk and conversation. With `one_module` it refuses other modules, as a room does."""
    library = MemoryLibrary(sample_tree())
    outline = await library.list_outline(library.tree.course.id)
    lesson = outline[lesson_number - 1]
    closed = {one.id for one in outline if one.module_id != lesson.module_id and one_module}
    seat = Seat(Asker(account_id=AMINA, name="Amina", lesson_id=lesson.id), frozenset(closed))
    return Desk(library, library.tree.course.id, seat, now=lambda: NOW), seat


async def open_desk(lesson_number: int = 1, *, one_module: bool = False) -> Desk:
    """Amina's desk, where nobody else asks."""
    desk, _ = await open_seat(lesson_number, one_module=one_module)
    return desk


@asynccontextmanager
async def talk(desk: Desk) -> AsyncIterator[AgentSession[None]]:
    """An agent session with the offline tutor, without server or sound."""
    session: AgentSession[None] = AgentSession(llm=OfflineTutor(desk))
    await session.start(Tutor(desk), record=False)
    try:
        yield session
    finally:
        await session.aclose()


async def ask(session: AgentSession[None], text: str) -> str:
    """The tutor's answer as the learner hears it."""
    result: RunResult[None] = session.run(user_input=text)
    await result
    return " ".join(
        event.item.text_content or ""
        for event in result.events
        if event.type == "message" and event.item.role == "assistant"
    )


async def raw_reply(desk: Desk, text: str) -> tuple[str, list[llm.FunctionToolCall]]:
    """The offline tutor's answer with its marks, and the tools it calls."""
    context = llm.ChatContext.empty()
    context.add_message(role="user", content=text)
    async with OfflineTutor(desk).chat(chat_ctx=context) as stream:
        response = await stream.collect()
    return response.text, response.tool_calls
