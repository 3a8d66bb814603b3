"""Limits on HTTP connections, so that no client can take the server from the others.

A client has to send its request, and read the response, within a deadline. If all connections are
taken, the oldest one that has not sent a request is closed, at the address that holds most of them.
"""

import asyncio
import contextlib
import logging
import resource
from collections import defaultdict
from typing import Literal

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from telemetry import metrics

Stage = Literal["header", "body", "idle"]  # what the client has to send next
DropReason = Literal["header", "body", "read", "large", "crowded"]

DEADLINES_S: dict[Stage, float] = {"header": 10.0, "body": 15.0}  # uvicorn closes idle ones
MAX_BYTES: dict[Stage, int] = {"header": 32 * 1024, "body": 2 * 1024 * 1024}  # with its framing
READ_S = 30.0  # for the client to take what was written, at most 64 KiB and the kernel's buffer
MAX_CONNECTIONS = 10_000
WANTED_FILES = 16_384
RESERVED_FILES = 512  # for the database, logs, page files, and connections not counted yet
BACKLOG = 256  # connections waiting to be accepted

TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n"
    b"content-length: 0\r\n\r\n"
)

logger = logging.getLogger(__name__)


def raise_file_limit() -> int:
    """Raises this process's limit on open files towards WANTED_FILES, and returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED_FILES if soft == resource.RLIM_INFINITY else soft


def connection_capacity(file_limit: int) -> int:
    return min(MAX_CONNECTIONS, file_limit - min(RESERVED_FILES, file_limit // 2))


def make_connection_class(capacity: int) -> type["LimitedConnection"]:
    """The protocol class of one server, which holds at most `capacity` connections."""

    class Connection(LimitedConnection):
        crowd = WaitingConnections(capacity)

    return Connection


class WaitingConnections:
    """The connections of a server that wait for their client's next request, by its address."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._waiting: dict[str, dict[LimitedConnection, None]] = defaultdict(dict)

    def add(self, connection: "LimitedConnection") -> None:
        self._waiting[connection.address][connection] = None

    def remove(self, connection: "LimitedConnection") -> None:
        same = self._waiting[connection.address]
        same.pop(connection, None)
        if not same:
            del self._waiting[connection.address]

    def choose_victim(self) -> "LimitedConnection | None":
        """The one that has waited longest at the address with most. None if all are served."""
        largest = max(self._waiting.values(), key=len, default={})
        return next(iter(largest), None)


class LimitedConnection(HttpToolsProtocol):
    """uvicorn's HTTP connection, with limits on time and size."""

    crowd: WaitingConnections
    address = ""
    _stage: Stage | None = None  # None while the server works on a request
    _received = 0  # bytes, in this stage
    _deadline: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that `pause_writing` tells of any rest
        self.address = self.client[0] if self.client else ""
        if len(self.connections) > self.crowd.capacity:
            (self.crowd.choose_victim() or self)._drop_connection("crowded")
        if not transport.is_closing():
            self._enter_stage("header")

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter_stage(None)
        self._cancel_reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._stage in (None, "idle"):
            self._enter_stage("header")
        self._received += len(data)
        super().data_received(data)
        if self._stage and self._received > MAX_BYTES.get(self._stage, 0):
            self._refuse_and_close("large", TOO_LONG)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._enter_stage("body")

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._enter_stage(None)

    def on_response_complete(self) -> None:
        is_last = not self.pipeline
        super().on_response_complete()
        if is_last and self._stage is None and not self.transport.is_closing():
            self._enter_stage("idle")

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reading is None:
            self._reading = self.loop.call_later(READ_S, self._drop_connection, "read")

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_reading()

    def _enter_stage(self, stage: Stage | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline, self._received = None, 0
        if stage != self._stage:
            self._stage = stage
            self.crowd.remove(self)
            if stage is not None:
                self.crowd.add(self)
        if stage in DEADLINES_S:
            self._deadline = self.loop.call_later(DEADLINES_S[stage], self._miss_deadline)

    def _cancel_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _miss_deadline(self) -> None:
        if self._stage == "header" and not self._received:
            self._drop_connection("header")  # a browser's spare connection: it expects no response
        elif self._stage is not None:
            self._refuse_and_close("header" if self._stage == "header" else "body", TIMED_OUT)

    def _refuse_and_close(self, reason: DropReason, response: bytes) -> None:
        """Says why, unless a response has begun, and closes the connection."""
        if self._stage == "header" and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(response)
        self._drop_connection(reason, abort=False)

    def _drop_connection(self, reason: DropReason, *, abort: bool = True) -> None:
        if self.transport.is_closing() and not abort:
            return
        metrics.HTTP_DROPPED.inc(reason=reason)
        self._enter_stage(None)
        self.connections.discard(self)
        if abort:
            self.transport.abort()
        else:
            self.transport.close()
