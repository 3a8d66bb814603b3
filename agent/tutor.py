"""The tutor: grounds every answer in the lesson of whoever asked, and keeps what it cites."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

from livekit.agents import Agent, ModelSettings, llm

import prompts
import tools
from agent.marks import MarkFilter, Speech
from agent.plugins.offline_tutor import OfflineTutor
from tools.desk import Desk
from tools.grounding import find_passages, grounding_text

ASKER = "identity"  # key in ChatMessage.extra: LiveKit identity of the learner who said it
SEGMENT = "segment"  # key in ChatMessage.extra: id of the transcript segment that holds it


class Tutor(Agent):
    """The one brain of rooms and console; the desk says who is answered and about which lesson."""

    def __init__(self, desk: Desk, *, on_asker: Callable[[str], None] | None = None) -> None:
        super().__init__(instructions=prompts.render("tutor"), tools=[*tools.build_tools(desk)])
        self.desk = desk
        self.speech = Speech()  # under way
        self._next_speech = Speech()  # generated, not yet begun
        self._on_asker = on_asker

    def plan_speech(self, speech: Speech) -> None:
        """What the next speech is about: called by llm_node, and before authored text is said."""
        self._next_speech = speech

    async def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncIterator[llm.ChatChunk | str]:
        """Points the desk at the asker, adds the lesson, streams the reply without marks."""
        question = _last_question(chat_ctx)
        if question is not None and self._on_asker and ASKER in question.extra:
            self._on_asker(question.extra[ASKER])
        speech = Speech(self.desk.lesson_id, question.extra.get(SEGMENT) if question else None)
        self.plan_speech(speech)
        grounded = await self._grounded(chat_ctx, question)
        replies = Agent.default.llm_node(self, grounded, tools, model_settings)
        marks = MarkFilter(marks=speech.marks)
        async for chunk in _without_marks(replies, marks):
            yield chunk
        if marks.text.strip():
            self.desk.last_answer = marks.text.strip()

    async def transcription_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncIterator[str]:
        """Passes the text on; its first word makes the planned speech the one under way."""
        planned = ""
        async for delta in text:
            if not planned:
                self.speech = self._next_speech
            planned += delta
            self.on_planned(planned)
            yield delta

    def on_planned(self, text: str) -> None:
        """Told the whole text of the speech under way each time it grows."""

    async def _grounded(
        self, chat_ctx: llm.ChatContext, question: llm.ChatMessage | None
    ) -> llm.ChatContext:
        """A copy of the context with the present lesson behind the first message.

        The offline tutor reads the desk itself, so it needs no message.
        """
        if isinstance(self._active_llm(), OfflineTutor):
            return chat_ctx
        text = (question.text_content or "") if question else ""
        hits = await find_passages(self.desk, text, 6)
        message = llm.ChatMessage(role="system", content=[await grounding_text(self.desk, hits)])
        copy = chat_ctx.copy()
        copy.items.insert(min(1, len(copy.items)), message)
        return copy

    def _active_llm(self) -> Any:
        return self.llm if isinstance(self.llm, llm.LLM) else self.session.llm


def _last_question(chat_ctx: llm.ChatContext) -> llm.ChatMessage | None:
    for item in reversed(chat_ctx.items):
        if item.type == "message" and item.role == "user":
            return item
    return None


async def _without_marks(
    replies: AsyncIterable[Any], marks: MarkFilter
) -> AsyncIterator[llm.ChatChunk | str]:
    async for chunk in replies:
        if isinstance(chunk, str):
            if clean := marks.push(chunk):
                yield clean
        elif isinstance(chunk, llm.ChatChunk) and chunk.delta and chunk.delta.content:
            clean = marks.push(chunk.delta.content)
            if clean or chunk.delta.tool_calls:
                chunk.delta.content = clean
                yield chunk
        else:
            yield chunk
    if rest := marks.flush():
        yield rest
