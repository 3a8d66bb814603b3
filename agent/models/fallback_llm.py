"""A provider's language model that falls back to the offline tutor: every turn gets an answer."""

import asyncio
import dataclasses
import json
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from livekit.agents import APIConnectionError, APIError, APIStatusError, llm, utils
from livekit.agents.llm.utils import validated_arguments
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)
from pydantic import ValidationError

import prompts
from agent.models.provider import ProviderState
from agent.offline.tutor import OfflineTutor
from courses.sentences import is_unfinished, split_sentences, whole_sentences_length

TIMEOUT_S = 4.0  # to the first words, over all attempts; then between any two chunks
MAX_RETRY_AFTER_S = 2.0  # if the provider asks for more, the offline tutor answers
RETRY_PAUSE_S = 0.25
MAX_TOOL_CALLS = 3  # per turn; after that the model must answer in words
WARM_UP_S = 60.0  # a local server may load its model at the first request


class Unusable(APIError):
    """The provider answered, but the answer cannot be used."""


class LLMWithOfflineTutor(llm.LLM[Any]):
    """Asks the provider at most twice within `timeout_s`, then the offline tutor."""

    def __init__(
        self, remote: llm.LLM[Any], local: OfflineTutor, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        super().__init__()
        self.remote = remote
        self.local = local
        self.timeout_s = timeout_s
        self.provider_state = ProviderState("llm")
        self._waits: WeakKeyDictionary[APIError, float] = WeakKeyDictionary()
        remote.on("error", self._remember_asked_wait)

    @property
    def model(self) -> str:
        return self.remote.model

    @property
    def provider(self) -> str:
        return self.remote.provider

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> "StreamWithOfflineTutor":
        """One reply. Raises APIError only if the provider and the offline tutor both fail."""
        once = dataclasses.replace(conn_options, max_retry=0, timeout=self.timeout_s)
        return StreamWithOfflineTutor(
            self,
            chat_ctx=chat_ctx,
            tools=tools or [],
            conn_options=once,
            tool_choice=tool_choice,
        )

    def asked_wait_s(self, error: Exception) -> float | None:
        return self._waits.get(error) if isinstance(error, APIError) else None

    async def probe_with_greeting(self) -> None:
        """Probes the provider; returns when it answers.

        It is sent nothing that a learner said: a probe may run when they have erased it.
        """
        once = APIConnectOptions(max_retry=0, timeout=self.timeout_s)
        async with (
            asyncio.timeout(self.timeout_s),
            self.remote.chat(chat_ctx=_greeting(), conn_options=once) as stream,
        ):
            async for chunk in stream:
                if chunk.has_response():
                    return
        raise Unusable("an empty answer")

    def _remember_asked_wait(self, event: llm.LLMError) -> None:
        # the response headers are reachable only here, through the plugin error's context
        wait_s = parse_retry_after(event.error.__context__)
        if wait_s is not None and isinstance(event.error, APIError):
            self._waits[event.error] = wait_s

    async def _prewarm_impl(self) -> None:
        async with asyncio.timeout(WARM_UP_S), self.remote.chat(chat_ctx=_greeting()) as stream:
            await anext(aiter(stream), None)

    async def aclose(self) -> None:
        await self.provider_state.aclose()
        await super().aclose()
        await self.remote.aclose()


class StreamWithOfflineTutor(llm.LLMStream):
    """One reply, sent in whole sentences so that a truncated one is never spoken."""

    def __init__(
        self,
        owner: LLMWithOfflineTutor,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        conn_options: APIConnectOptions,
        tool_choice: NotGivenOr[llm.ToolChoice],
    ) -> None:
        super().__init__(owner, chat_ctx=chat_ctx, tools=tools, conn_options=conn_options)
        self._owner = owner
        self._tool_choice = "none" if tool_calls_made(chat_ctx) >= MAX_TOOL_CALLS else tool_choice
        self._request_id = utils.shortuuid("reply_")
        self._said = ""

    async def _run(self) -> None:
        provider = self._owner.provider_state
        if not provider.up:
            provider.start_probe(self._owner.probe_with_greeting)
        elif await self._ask_provider():
            return
        await self._reply_offline()

    async def _ask_provider(self) -> bool:
        """Returns True if the provider gave the whole reply."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._owner.timeout_s
        for tries_left in (1, 0):
            try:
                await self._stream_provider_reply(deadline)
            except (APIError, TimeoutError) as error:
                wait_s = self._owner.asked_wait_s(error)
                pause_s = pause_before_retry(error, wait_s)
                again = tries_left and not self._said and pause_s is not None
                if again and loop.time() + (pause_s or 0.0) < deadline:
                    await asyncio.sleep(pause_s or 0.0)
                    continue
                if not isinstance(error, Unusable):  # an unusable answer is no outage
                    self._owner.provider_state.mark_failed(error, wait_s or 0.0)
                return False
            return True
        return False

    def _request_reply(self) -> llm.LLMStream:
        return self._owner.remote.chat(
            chat_ctx=self._chat_ctx,
            tools=self._tools,
            conn_options=self._conn_options,
            tool_choice=self._tool_choice,
        )

    async def _stream_provider_reply(self, deadline: float) -> None:
        """Streams one answer of the provider. Tools are called only once it is complete."""
        loop = asyncio.get_running_loop()
        held, calls, usage = "", list[llm.FunctionToolCall](), None
        async with self._request_reply() as stream:
            chunks, limit = aiter(stream), deadline
            while True:
                async with asyncio.timeout_at(limit):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                usage = chunk.usage or usage
                if chunk.delta is None or not chunk.has_response():
                    continue
                limit = loop.time() + self._owner.timeout_s
                calls += chunk.delta.tool_calls
                held = self._send_complete_sentences(held + (chunk.delta.content or ""))
        # a truncated answer has neither a final token count nor a full stop
        if usage is None and not calls and is_unfinished(held):
            raise APIConnectionError("the answer was truncated")
        self._check_tool_calls(calls)
        if not calls and not (self._said + held).strip():
            raise Unusable("an empty answer")
        self._send_text(held)
        if calls:
            self._send_delta(llm.ChoiceDelta(role="assistant", tool_calls=calls))
        if usage is not None:
            self._event_ch.send_nowait(llm.ChatChunk(id=self._request_id, usage=usage))

    def _send_complete_sentences(self, text: str) -> str:
        end = whole_sentences_length(text)
        self._send_text(text[:end])
        return text[end:]

    def _send_text(self, text: str) -> None:
        if text:
            self._said += text
            self._send_delta(llm.ChoiceDelta(role="assistant", content=text))

    def _send_delta(self, delta: llm.ChoiceDelta) -> None:
        self._event_ch.send_nowait(llm.ChatChunk(id=self._request_id, delta=delta))

    def _check_tool_calls(self, calls: Sequence[llm.FunctionToolCall]) -> None:
        """Raises Unusable for calls that no tool can handle."""
        if calls and self._tool_choice == "none":
            raise Unusable("too many tool calls")
        tools = llm.ToolContext(self._tools).function_tools
        for call in calls:
            tool = tools.get(call.name)
            if tool is None:
                raise Unusable("an unknown tool")
            try:
                validated_arguments(tool, json.loads(call.arguments or "{}"))
            except (ValidationError, ValueError, TypeError, llm.ToolError):
                raise Unusable("wrong arguments") from None  # its text quotes the learner

    async def _reply_offline(self) -> None:
        said = {sentence.strip() for sentence in split_sentences(self._said)}
        rest, apologised = "", not self._said.strip()
        chat = self._owner.local.chat
        async with chat(chat_ctx=self._chat_ctx, tools=self._tools) as stream:
            response = await stream.collect()
        for sentence in split_sentences(response.text):
            if sentence.strip() not in said:
                rest += sentence
        if rest.strip() and not apologised:
            self._send_text(" " + prompts.render("provider_failed") + " ")
        self._send_text(rest)
        if response.tool_calls:
            self._send_delta(llm.ChoiceDelta(role="assistant", tool_calls=response.tool_calls))


def _greeting() -> llm.ChatContext:
    greeting = llm.ChatContext.empty()
    greeting.add_message(role="user", content="Hello")
    return greeting


def pause_before_retry(error: Exception, asked_s: float | None) -> float | None:
    """Seconds to wait before a retry, or None for no retry on this turn.

    `asked_s` is the wait that the provider asked for.
    """
    if isinstance(error, Unusable):
        return 0.0
    if isinstance(error, APIStatusError) and error.status_code == 429:
        return asked_s if asked_s is not None and asked_s <= MAX_RETRY_AFTER_S else None
    if isinstance(error, APIError):
        return RETRY_PAUSE_S if error.retryable else None
    return None  # a timeout: no time is left


def parse_retry_after(error: BaseException | None) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None


def tool_calls_made(chat_ctx: llm.ChatContext) -> int:
    made = 0
    for item in reversed(chat_ctx.items):
        if item.type == "message" and item.role == "user":
            break
        made += item.type == "function_call_output"
    return made
