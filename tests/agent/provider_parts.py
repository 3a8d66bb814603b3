"""Parts of the provider tests: a session on a provider's model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from livekit.agents import AgentSession

from agent.models.choice import build_llm
from agent.models.fallback_llm import LLMWithOfflineTutor
from agent.talk.tutor import Tutor
from agent.text.lines import SPEECH, Line, Speech
from harness.provider import MODEL, ModelServer
from settings import Settings
from tests.agent.desk_parts import ask, open_desk
from tests.agent.waiting import until
from tools.desk import Desk


class ListedTutor(Tutor):
    """Remembers its lines."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.lines: list[Line] = []

    async def on_line_begun(self, line: Line) -> None:
        self.lines.append(line)


@dataclass
class Lesson:
    """A running session of one learner, typed."""

    desk: Desk
    model: LLMWithOfflineTutor
    session: AgentSession[None]
    tutor: ListedTutor
    closed: list[object] = field(default_factory=list)

    async def ask(self, text: str) -> str:
        self.tutor.lines.clear()
        SPEECH.set(Speech("l_amina"))
        return await ask(self.session, text)

    @property
    def cited(self) -> list[tuple[int, int]]:
        return [(mark.lesson, mark.passage) for line in self.tutor.lines for mark in line.marks]

    async def recovered(self) -> None:
        """Returns when a failed provider is up again; its probe is running."""
        await until(lambda: self.model.provider_state.up)


@asynccontextmanager
async def lesson_by(provider: ModelServer, settings: Settings) -> AsyncIterator[Lesson]:
    """Lesson 2 of the sample course, taught by the provider's model."""
    desk = await open_desk(lesson_number=2)
    by_provider = settings.model_copy(update={"llm_base_url": provider.url, "llm_model": MODEL})
    model, name = build_llm(by_provider, desk)
    assert isinstance(model, LLMWithOfflineTutor)
    assert name == MODEL
    session: AgentSession[None] = AgentSession(llm=model)
    tutor = ListedTutor(desk)
    await session.start(tutor, record=False)
    lesson = Lesson(desk, model, session, tutor)
    session.on("close", lesson.closed.append)
    try:
        yield lesson
    finally:
        await session.aclose()
        await model.aclose()
