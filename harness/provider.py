"""A local provider with the OpenAI API for chat, speech and transcription, and faults on demand.

It answers from the passages in a request, speaks with eSpeak and recognises with the test model.
`break_` makes its next answers fail until `mend`.
"""

import asyncio
import contextlib
import email
import email.policy
import io
import itertools
import json
import re
import threading
import wave
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import numpy as np
import uvicorn

from agent.models.espeak import RATE as VOICE_RATE
from agent.models.espeak import EspeakTTS
from harness.voices import resampled
from speech.engine import DecodeOptions, Engine
from speech.models import TEST_MODEL_FOLDER
from speech.wire import RATE

PCM_RATE = 24_000
PIECE_SAMPLES = PCM_RATE // 5  # samples of one piece of sound, 200 ms
MODEL = "loopback"
PASSAGE_PATTERN = re.compile(
    r"(\[\[\d+\.\d+\]\]) \([^\n]*\n(.+?)(?=\n\n\[\[|\nEND LESSON TEXT)", re.DOTALL
)
SENTENCE_PATTERN = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)
TOOL_BY_WORDS = {
    "quiz me": ("start_quiz", "{}"),
    "next lesson": ("change_lesson", '{"target": "next"}'),
}
BAD_CALLS = {
    "loop": ("lesson_objectives", "{}"),
    "unknown tool": ("drop_tables", '{"tenant_id": "all"}'),
    "wrong arguments": ("change_lesson", '{"goal": 3, "tenant_id": "other"}'),
    "no JSON": ("change_lesson", '{"target": '),
}
Message = dict[str, Any]
_call_numbers = itertools.count(1)


class ModelServer:
    """The server; `requests` holds the body of every chat request."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.faults: dict[str, str] = {}  # by kind: llm, tts, stt
        self.left: dict[str, int] = {}  # how many more answers of the kind will fail
        self.requests: list[Message] = []
        self.probes: list[Message] = []  # requests without a learner's question
        self.served = {"llm": 0, "tts": 0, "stt": 0}  # good answers
        self.asked = {"llm": 0, "tts": 0, "stt": 0}
        self.spoken: list[str] = []
        self.call = ("start_quiz", "{}")  # the tool that the fault "call" calls
        self.first_token_s = 0.0  # from a chat request to its first token
        self.texts_by_length: list[tuple[float, str]] = []  # seconds of a recording, what it says
        self.fixed_answer = ""  # to every chat request, if set
        self._voice = EspeakTTS(rate_wpm=240)
        self._engine: Engine | None = None

    def break_(self, kind: str, fault: str, times: int = 1_000_000) -> None:
        self.faults[kind], self.left[kind] = fault, times

    def mend(self) -> None:
        self.faults.clear()

    def reset(self) -> None:
        self.mend()
        self.requests.clear()
        self.probes.clear()
        self.spoken.clear()
        self.served = dict.fromkeys(self.served, 0)
        self.asked = dict.fromkeys(self.asked, 0)

    def _count_and_take_fault(self, kind: str) -> str:
        self.asked[kind] += 1
        if kind not in self.faults or self.left[kind] <= 0:
            return ""
        self.left[kind] -= 1
        return self.faults[kind]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
            return
        exchange = HttpExchange(scope, receive, send)
        body = await exchange.read_body()
        route = ROUTES.get((scope["method"], scope["path"]))
        if route is None:
            await exchange.send_error(404)
        else:
            await route(self, exchange, body)

    async def _run_lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._voice.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def list_models(self, exchange: "HttpExchange", _: bytes) -> None:
        await exchange.send_json({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    async def answer_chat(self, exchange: "HttpExchange", body: bytes) -> None:
        asked = json.loads(body)
        await asyncio.sleep(self.first_token_s)
        if self.fixed_answer:
            await exchange.send_events([*word_chunks(self.fixed_answer), ending_chunk()])
            return
        if "tools" not in asked:  # a warm-up or a probe
            await self._answer_probe(exchange, asked)
            return
        self.requests.append(asked)
        fault = self._count_and_take_fault("llm")
        if await exchange.fail_at_start(fault):
            return
        call, text = choose_reply(asked["messages"])
        call = self.call if fault == "call" else BAD_CALLS.get(fault, call)
        if fault == "hang in a call":
            await exchange.send_events([tool_call_chunk("change_lesson", '{"target": ')], end=False)
            await exchange.hang_until_disconnect()
            return
        chunks = (
            [tool_call_chunk(*call), ending_chunk("tool_calls")]
            if call
            else [*word_chunks(text), ending_chunk()]
        )
        if not asked.get("stream"):
            await exchange.send_json(whole_answer(call, text))
            return
        if not await self._send_broken_stream(exchange, fault, chunks):
            await exchange.send_events([*chunks, usage_chunk()])
            self.served["llm"] += 1

    async def _answer_probe(self, exchange: "HttpExchange", asked: Message) -> None:
        self.probes.append(asked)
        fault = self.faults.get("llm", "") if self.left.get("llm") else ""
        chunks = [*word_chunks("Hello."), ending_chunk()]
        if await exchange.fail_at_start(fault):
            return
        if not await self._send_broken_stream(exchange, fault, chunks):
            await exchange.send_events(chunks)

    async def _send_broken_stream(
        self, exchange: "HttpExchange", fault: str, chunks: list[Message]
    ) -> bool:
        match fault:
            case "empty":
                await exchange.send_events(
                    [delta_chunk({"role": "assistant"}), ending_chunk(), usage_chunk()]
                )
            case "refusal":
                refused = {"role": "assistant", "refusal": "I cannot help with that."}
                await exchange.send_events(
                    [delta_chunk(refused), ending_chunk("content_filter"), usage_chunk()]
                )
            case "hang after a token":
                await exchange.send_events(chunks[:1], end=False)
                await exchange.hang_until_disconnect()
            case "hang after a sentence":
                await exchange.send_events(
                    [*word_chunks("Here is what I know. And"), delta_chunk({})], end=False
                )
                await exchange.hang_until_disconnect()
            case "cut":
                await exchange.send_events([*word_chunks("The loss func")], done=False)
            case "reset in mid-answer":
                await exchange.send_events(chunks[:3], end=False)
                exchange.reset_connection()
            case "bad bytes":
                await exchange.start_response("text/event-stream")
                await exchange.send_body(
                    b'data: {"choices": [{"delta": {"content": "caf\xe9 \xff"}}]}\n\n'
                )
                await exchange.end_response()
            case _:
                return False
        return True

    async def synthesise_and_answer(self, exchange: "HttpExchange", body: bytes) -> None:
        asked = json.loads(body)
        fault = self._count_and_take_fault("tts")
        self.spoken.append(asked["input"])
        if await exchange.fail_at_start(fault):
            return
        pcm = b"".join([chunk async for chunk in self._voice.synthesise_pcm(asked["input"])])
        sound = resampled(np.frombuffer(pcm, np.int16), VOICE_RATE, PCM_RATE)
        pieces = [
            sound[at : at + PIECE_SAMPLES].tobytes() for at in range(0, len(sound), PIECE_SAMPLES)
        ]
        await exchange.start_response("audio/pcm")
        for number, piece in enumerate(pieces):
            if fault == f"dies at {number}":
                exchange.reset_connection()
                return
            if fault == f"hangs at {number}":
                await exchange.hang_until_disconnect()
                return
            await exchange.send_body(piece)
        self.served["tts"] += 1  # before the end, which a test may be waiting for
        await exchange.end_response()

    async def recognise_and_answer(self, exchange: "HttpExchange", body: bytes) -> None:
        if await exchange.fail_at_start(self._count_and_take_fault("stt")):
            return
        head = b"Content-Type: " + exchange.request_header(b"content-type") + b"\r\n\r\n"
        form = email.message_from_bytes(head + body, policy=email.policy.default)
        (sound,) = [p for p in form.iter_parts() if p.get_filename()]
        with wave.open(io.BytesIO(sound.get_content())) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
            pcm = resampled(samples, file.getframerate(), RATE) if len(samples) else samples
        if self.texts_by_length:
            await exchange.send_json({"text": self._text_of_length(len(pcm) / RATE)})
            return
        if self._engine is None:
            self._engine = await asyncio.to_thread(Engine, TEST_MODEL_FOLDER)
        found = await asyncio.to_thread(self._engine.recognise, pcm.tobytes(), DecodeOptions())
        self.served["stt"] += 1
        await exchange.send_json({"text": found.text})

    def _text_of_length(self, seconds: float) -> str:
        return min(self.texts_by_length, key=lambda known: abs(known[0] - seconds))[1]


ROUTES: dict[tuple[str, str], Callable[[ModelServer, "HttpExchange", bytes], Awaitable[None]]] = {
    ("GET", "/v1/models"): ModelServer.list_models,
    ("POST", "/v1/chat/completions"): ModelServer.answer_chat,
    ("POST", "/v1/audio/speech"): ModelServer.synthesise_and_answer,
    ("POST", "/v1/audio/transcriptions"): ModelServer.recognise_and_answer,
}


class HttpExchange:
    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self._headers = dict(scope["headers"])
        self._receive = receive
        self._send = send

    def request_header(self, name: bytes) -> bytes:
        return bytes(self._headers.get(name, b""))

    async def read_body(self) -> bytes:
        body, more = b"", True
        while more:
            message = await self._receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body

    async def start_response(
        self, kind: str, status: int = 200, *more: tuple[bytes, bytes]
    ) -> None:
        headers = [(b"content-type", kind.encode()), *more]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def send_body(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end_response(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send_json(self, body: Message, status: int = 200, *more: tuple[bytes, bytes]) -> None:
        await self.start_response("application/json", status, *more)
        await self.send_body(json.dumps(body).encode())
        await self.end_response()

    async def send_events(
        self, chunks: list[Message], *, end: bool = True, done: bool = True
    ) -> None:
        await self.start_response("text/event-stream")
        for chunk in chunks:
            await self.send_body(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        if end and done:
            await self.send_body(b"data: [DONE]\n\n")
        if end:
            await self.end_response()

    async def send_error(self, status: int, *more: tuple[bytes, bytes]) -> None:
        await self.send_json({"error": {"message": "no", "type": "server_error"}}, status, *more)

    async def hang_until_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def reset_connection(self) -> None:
        self._receive.__self__.transport.abort()

    async def fail_at_start(self, fault: str) -> bool:
        match fault:
            case "hang":
                await self.hang_until_disconnect()
            case "reset":
                self.reset_connection()
            case "500":
                await self.send_error(500)
            case "429 for long":
                await self.send_error(429, (b"retry-after", b"60"))
            case "429 for short":
                await self.send_error(429, (b"retry-after", b"0.2"))
            case _:
                return False
        return True


def choose_reply(messages: list[Message]) -> tuple[tuple[str, str] | None, str]:
    """The tool to call, or the text: a tool's result or the first passage."""
    results: list[str] = []
    for message in reversed(messages):
        if message["role"] == "tool":
            results.insert(0, text_of(message))
        elif message["role"] == "user":
            break
    if results:
        return None, " ".join(results)
    asked = text_of(next(m for m in reversed(messages) if m["role"] == "user"))
    if asked.lower().startswith("my answer is"):
        return ("answer_quiz", json.dumps({"answer": asked})), ""
    for words_said, call in TOOL_BY_WORDS.items():
        if words_said in asked.lower():
            return call, ""
    grounds = [text_of(m) for m in messages if m["role"] in ("system", "developer")]
    found = PASSAGE_PATTERN.search("\n".join(grounds))
    if found is None:
        return None, "The course does not contain that. Shall we go on?"
    first = SENTENCE_PATTERN.match(found[2])
    sentence = " ".join((first[0] if first else found[2]).split())
    return None, f"{sentence} {found[1]} What do you think about it?"


def text_of(message: Message) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)


def delta_chunk(what: Message, finish: str | None = None) -> Message:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "delta": what, "finish_reason": finish}],
    }


def word_chunks(text: str) -> list[Message]:
    return [delta_chunk({"content": part}) for part in re.findall(r"\s*\S{1,6}", text)]


def tool_call_chunk(name: str, arguments: str) -> Message:
    function = {"name": name, "arguments": arguments}
    call = {
        "index": 0,
        "id": f"call_{next(_call_numbers)}",
        "type": "function",
        "function": function,
    }
    return delta_chunk({"tool_calls": [call]})


def ending_chunk(reason: str = "stop") -> Message:
    return delta_chunk({}, reason)


def usage_chunk() -> Message:
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    return delta_chunk({}) | {"choices": [], "usage": usage}


def whole_answer(call: tuple[str, str] | None, text: str) -> Message:
    message: Message = {"role": "assistant", "content": text or None}
    if call:
        function = {"name": call[0], "arguments": call[1]}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if call else "stop"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [choice],
        "usage": usage_chunk()["usage"],
    }


@contextlib.contextmanager
def running_model_provider() -> Iterator[ModelServer]:
    """Serves from its own thread, so that a busy test does not slow it down."""
    config = uvicorn.Config("", port=0, log_level="warning", http="httptools", ws="none")
    sock = config.bind_socket()
    provider = ModelServer(f"http://127.0.0.1:{sock.getsockname()[1]}/v1")
    config.app = provider
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([sock])), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.should_exit = True
        thread.join(10)
        sock.close()
