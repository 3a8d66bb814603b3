"""The tutor: bases every answer on the asker's lesson, and remembers what it cites."""

import logging
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from livekit.agents import Agent, APIError, ModelSettings, llm

import db
import prompts
import tools
from agent.offline.tutor import OfflineTutor
from agent.talk.filler import with_filler, without_filler
from agent.text.lines import SPEECH, Line, Speech
from agent.text.marks import MarkFilter
from prompts.fence import defuse_fences
from tools.desk import Desk
from tools.grounding import find_passages, grounding_text

MAX_CONTEXT_ITEMS = 40  # of the conversation, sent to a language model

logger = logging.getLogger("bodh.tutor")


class Tutor(Agent):
    def __init__(self, desk: Desk) -> None:
        super().__init__(instructions=prompts.render("tutor"), tools=[*tools.build_tools(desk)])
        self.desk = desk

    async def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncIterator[llm.ChatChunk | str]:
        """Adds the asker's lesson, and streams the reply without its marks."""
        speech = SPEECH.get() or Speech()
        line = Line(speech.identity, self.desk.lesson_id, speech.in_reply_to)
        own = self.own_chat_context(chat_ctx)
        replies = with_filler(self.model_replies(own, tools, model_settings), speech)
        marks, begun = MarkFilter(marks=line.marks), False
        async for chunk in _strip_marks(replies, marks):
            if marks.text and not begun:  # a tool call alone is never spoken
                speech.generated.append(line)
                begun = speech.begun = True
            yield chunk
        if answer := marks.text.removeprefix(prompts.render("one_moment")).strip():
            self.remember_answer(answer)

    async def model_replies(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncIterator[Any]:
        """What the model answers, or one authored line if no model can."""
        said = False
        try:
            grounded = await self._add_grounding(chat_ctx)
            async for chunk in Agent.default.llm_node(self, grounded, tools, model_settings):
                said = True
                yield chunk
        except (APIError, *db.AWAY) as error:
            logger.warning("no model answers", extra={"why": type(error).__name__})
            if not said:
                yield prompts.render("cannot_answer")

    async def transcription_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncIterator[str]:
        """Passes the text on, and begins its line before the first word is heard."""
        speech = SPEECH.get() or Speech()
        line: Line | None = None
        async for delta in text:
            if line is None:
                authored = Line(speech.identity, speech.lesson_id, speech.in_reply_to)
                line = speech.generated.popleft() if speech.generated else authored
                await self.on_line_begun(line)
            line.text += delta
            yield delta

    async def on_line_begun(self, line: Line) -> None:
        """Called when a line begins; its text grows later."""

    def own_chat_context(self, chat_ctx: llm.ChatContext) -> llm.ChatContext:
        """What the asker may be answered from. Here everybody shares one conversation."""
        return chat_ctx

    def remember_answer(self, answer: str) -> None:
        """Called when an answer is generated, even if it is never spoken in full."""
        self.desk.asker.last_answer = answer

    async def _add_grounding(self, chat_ctx: llm.ChatContext) -> llm.ChatContext:
        """A copy of the context with a message about the lesson after the first one.

        The offline tutor reads the desk itself and needs no message.
        """
        if isinstance(self._active_llm(), OfflineTutor):
            return chat_ctx
        hits = await find_passages(self.desk, _last_user_text(chat_ctx), 6)
        message = llm.ChatMessage(role="system", content=[await grounding_text(self.desk, hits)])
        copy = chat_ctx.copy().truncate(max_items=MAX_CONTEXT_ITEMS)
        copy.items = [_defuse_tool_result(without_filler(item)) for item in copy.items]
        copy.items.insert(min(1, len(copy.items)), message)
        return copy

    def _active_llm(self) -> Any:
        return self.llm if isinstance(self.llm, llm.LLM) else self.session.llm


def _last_user_text(chat_ctx: llm.ChatContext) -> str:
    for item in reversed(chat_ctx.items):
        if item.type == "message" and item.role == "user":
            return item.text_content or ""
    return ""


def _defuse_tool_result(item: llm.ChatItem) -> llm.ChatItem:
    """A tool's result with the titles of lessons in it, which must not look like a fence."""
    if item.type != "function_call_output":
        return item
    return item.model_copy(update={"output": defuse_fences(item.output)})


async def _strip_marks(
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
