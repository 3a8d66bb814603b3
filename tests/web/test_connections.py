"""Clients that send or read slowly: the token server closes them and serves the others."""

import asyncio
import os
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from harness.run_folder import RUN_VARIABLE
from harness.stack import ROOT, free_port
from tests.web.test_server import await_answer
from web import connections
from web.connections import (
    DEADLINES_S,
    connection_capacity,
    make_connection_class,
    raise_file_limit,
)

HALF_HEADER = b"POST /auth/dev-login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le"
HALF_BODY = HALF_HEADER + b"ngth: 9000\r\n\r\n{"
PATIENCE_S = min(DEADLINES_S.values()) / 2  # for a response, while others attack


@contextmanager
def token_server(home: Path, *, files: int) -> Iterator[int]:
    """A token server that may open this many files. Yields its port."""
    port = free_port()
    own = {"BODH_HOME": str(home), "PORT": str(port), "LIVEKIT_PORT": str(free_port())}
    kept = {name: os.environ[name] for name in ("PATH", RUN_VARIABLE)}
    limit = f'ulimit -n {files} && ulimit -Sn 256 && exec "$@"'
    with (home / "stderr").open("w") as told:
        process = subprocess.Popen(
            ["sh", "-c", limit, "sh", sys.executable, ROOT / "token_server.py"],
            env={**kept, "HOME": str(home), **own},
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=told,
            text=True,
        )
        try:
            await_answer(process, f"http://127.0.0.1:{port}/healthz")
            yield port
        finally:
            process.kill()
            process.wait()


def ask(port: int, path: str) -> tuple[int, bool]:
    """The status, and whether the response came in time."""
    began = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.status, time.monotonic() - began < PATIENCE_S


def is_closed(client: socket.socket) -> bool:
    try:
        while data := client.recv(4096):
            assert b"408 Request Timeout" in data
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


@contextmanager
def trickling(clients: list[socket.socket]) -> Iterator[None]:
    """Sends a byte to each twice a second."""
    over = threading.Event()

    def trickle() -> None:
        while not over.wait(0.5):
            for client in clients:
                with suppress(OSError):
                    client.send(b"x")

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_thousand_unfinished_requests_delay_nobody_and_are_closed(tmp_path: Path) -> None:
    raise_file_limit()  # of this process, which holds the other ends
    clients: list[socket.socket] = []
    with token_server(tmp_path, files=1024) as port:
        for number in range(1010):
            client = socket.create_connection(("127.0.0.1", port), timeout=10)
            client.sendall(HALF_BODY if number % 3 == 0 else HALF_HEADER)
            client.setblocking(False)
            clients.append(client)
        with trickling(clients[::2]):
            answers = [ask(port, path) for path in ("/healthz", "/", "/healthz") * 3]
            deadline = time.monotonic() + max(DEADLINES_S.values()) + 5
            while (left := [c for c in clients if not is_closed(c)]) and (
                time.monotonic() < deadline
            ):
                with selectors.DefaultSelector() as one:
                    one.register(left[0], selectors.EVENT_READ)
                    one.select(0.2)
    for client in clients:
        client.close()
    assert answers == [(200, True)] * 9
    assert len(left) == 0


def test_the_file_limit_is_raised_and_leaves_room_for_other_files() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, before[1]))
    try:
        raised = raise_file_limit()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert raised > 300
    assert [connection_capacity(n) for n in (256, 1024, 16_384)] == [128, 512, 10_000]


async def echo_length(scope: Any, receive: Any, send: Any) -> None:
    """Responds with as many bytes as the query says."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body = bytes(int(scope["query_string"] or b"2"))
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(capacity: int) -> AsyncIterator[tuple[int, uvicorn.Server]]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        echo_length,
        http=make_connection_class(capacity),
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    yield listening.getsockname()[1], server
    server.should_exit = True
    await task


async def response_of(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    with suppress(ConnectionError):
        await writer.drain()
    response = b""
    with suppress(ConnectionError):
        response = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return response


async def until_empty(server: uvicorn.Server) -> None:
    async with asyncio.timeout(5):
        while server.server_state.connections:  # noqa: ASYNC110 uvicorn tells nobody
            await asyncio.sleep(0.02)


GET = b"GET / HTTP/1.1\r\nHost: a\r\n"


async def test_an_endless_header_is_431() -> None:
    async with serving(10) as (port, _):
        many = await response_of(port, GET + b"a: b\r\n" * 20_000)
        normal = await response_of(port, GET + b"Connection: close\r\n\r\n")
    assert many.startswith(b"HTTP/1.1 431 ")
    assert normal.startswith(b"HTTP/1.1 200 ")


async def test_a_header_that_does_not_come_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DEADLINES_S, "header", 0.2)
    async with serving(10) as (port, server):
        half = await response_of(port, GET)
        nothing = await response_of(port, b"")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET + b"\r\n")
        first = await reader.readline()
        writer.write(b"\r\n")  # a blank line begins no request
        second = await asyncio.wait_for(reader.read(), 2)
        writer.close()
        await until_empty(server)
    assert half.startswith(b"HTTP/1.1 408 ")
    assert nothing == b""
    assert first == b"HTTP/1.1 200 OK\r\n"
    assert b"HTTP/1.1 408 " in second


async def test_a_response_that_nobody_reads_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_S", 0.2)
    async with serving(10) as (port, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /?50000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readline()
        await until_empty(server)
        writer.close()


async def test_a_full_server_closes_the_connection_that_has_sent_nothing_for_longest() -> None:
    async with serving(3) as (port, _):
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        answer = await response_of(port, GET + b"Connection: close\r\n\r\n")
        closed = await asyncio.wait_for(idle[0][0].read(), 5)
        idle[2][1].write(GET + b"\r\n")
        newest = await asyncio.wait_for(idle[2][0].readline(), 5)
        for _, writer in idle:
            writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert (closed, newest) == (b"", b"HTTP/1.1 200 OK\r\n")


async def test_a_full_server_closes_a_connection_of_the_address_with_most() -> None:
    kind = make_connection_class(3)
    config = uvicorn.Config(echo_length, log_config=None)
    people = []
    for address in ("one", "many", "many"):
        person = kind(config=config, server_state=ServerState(), app_state={})
        person.address = address
        kind.crowd.add(person)
        people.append(person)
    assert kind.crowd.choose_victim() is people[1]
    kind.crowd.remove(people[1])
    kind.crowd.remove(people[2])
    assert kind.crowd.choose_victim() is people[0]
    kind.crowd.remove(people[0])
    assert kind.crowd.choose_victim() is None
