"""The health of a remote model. After a failure it is probed in the background."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal

from livekit.agents import APIError, APIStatusError, utils

from telemetry import alarm, metrics

Kind = Literal["llm", "tts", "stt"]

logger = logging.getLogger("bodh.provider")
_kinds_down: set[Kind] = set()  # all providers of this process share one alarm


class ProviderState:
    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.up = True
        self.on_change: Callable[[], None] = lambda: None  # called after it failed, or is back
        self._rest_until = 0.0  # monotonic
        self._probe: asyncio.Task[None] | None = None

    def mark_failed(self, error: Exception, rest_s: float = 0.0) -> None:
        """Marks it down until a probe succeeds; waits `rest_s` before the first probe."""
        self.up = False
        self._rest_until = time.monotonic() + rest_s
        self.report_failure(error)
        self.on_change()

    def report_failure(self, error: Exception) -> None:
        metrics.PROVIDER_FAILURES.inc(part=self.kind)
        _kinds_down.add(self.kind)
        alarm("provider_failing", True, kind=self.kind)
        logger.warning("provider failed", extra={"kind": self.kind, "why": error_kind(error)})

    def report_recovery(self) -> None:
        _kinds_down.discard(self.kind)
        alarm("provider_failing", bool(_kinds_down))
        logger.info("provider is back", extra={"kind": self.kind})

    def start_probe(self, ask: Callable[[], Awaitable[None]]) -> None:
        """Runs `ask` in the background, one probe at a time; marks it up when `ask` returns."""
        busy = self._probe is not None and not self._probe.done()
        if not busy and time.monotonic() >= self._rest_until:
            self._probe = asyncio.create_task(self._run_probe(ask), name=f"probe {self.kind}")

    async def _run_probe(self, ask: Callable[[], Awaitable[None]]) -> None:
        try:
            await ask()
        except (APIError, TimeoutError) as error:
            logger.info(
                "provider is still down", extra={"kind": self.kind, "why": error_kind(error)}
            )
            return
        self.up = True
        self.report_recovery()
        self.on_change()

    async def aclose(self) -> None:
        if self._probe is not None:
            await utils.aio.cancel_and_wait(self._probe)


def error_kind(error: Exception) -> str:
    """The kind of error, without any text of the request or the answer."""
    if isinstance(error, APIStatusError):
        return f"status{error.status_code}"
    return type(error).__name__
