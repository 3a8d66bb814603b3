"""A short line that the tutor says when an answer is slow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from livekit.agents import llm, utils

import prompts
from agent.text.lines import Speech

FILLER_AFTER_S = 1.5  # after the reply was requested


async def with_filler(replies: AsyncIterator[Any], speech: Speech) -> AsyncIterator[Any]:
    arriving: utils.aio.Chan[Any] = utils.aio.Chan()
    begun = asyncio.Event()
    now = asyncio.get_running_loop().time()
    speech.asked_at = speech.asked_at or now
    pump = asyncio.create_task(_copy_replies(replies, arriving, begun), name="replies")
    try:
        if not speech.begun:
            due_s = speech.asked_at + FILLER_AFTER_S - now
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(begun.wait(), max(0.0, due_s))
            if not begun.is_set():
                yield prompts.render("one_moment") + " "
        async for chunk in arriving:
            yield chunk
        await pump
    finally:
        await utils.aio.cancel_and_wait(pump)


async def _copy_replies(
    replies: AsyncIterator[Any], arriving: utils.aio.Chan[Any], begun: asyncio.Event
) -> None:
    try:
        async for chunk in replies:
            arriving.send_nowait(chunk)
            begun.set()
    finally:
        begun.set()
        arriving.close()


def without_filler(item: llm.ChatItem) -> llm.ChatItem:
    """The item without the filler, which a language model would imitate."""
    if item.type != "message" or item.role != "assistant":
        return item
    text, filler = item.text_content or "", prompts.render("one_moment")
    if not text.startswith(filler):
        return item
    return item.model_copy(update={"content": [text.removeprefix(filler).strip()]})
