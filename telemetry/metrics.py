"""Figures: counters, gauges and histograms of all processes, declared here and nowhere else.

A figure is kept in a file of its process (`prometheus_client`, several processes), which
`telemetry.gather` adds up. Names and meanings stand in docs/operations.md as well.
"""

import asyncio
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # the name that prometheus_client reads
LOOK_EVERY_S = 0.5
SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_registry: "CollectorRegistry | None" = None
_made: dict[str, Any] = {}


def begin(folder: Path) -> None:
    """From now on figures are kept, in this folder."""
    global _registry
    os.environ[FOLDER] = str(folder)
    from prometheus_client import CollectorRegistry, values

    from telemetry.files import FigureFile

    values.MmapedDict = FigureFile  # type: ignore[attr-defined]
    if not values.ValueClass._multiprocess:  # imported before: it decided to keep them in memory
        values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
    _made.clear()
    _registry = CollectorRegistry()


@dataclass(frozen=True)
class Metric:
    """A name, what it counts, and its labels."""

    name: str
    doc: str
    labels: tuple[str, ...] = ()

    def _change(
        self, verb: Literal["inc", "set", "observe"], value: float, labels: dict[str, str]
    ) -> None:
        if _registry is not None:
            with contextlib.suppress(OSError):  # a full disk costs a figure, never the process
                getattr(self._one(labels), verb)(value)

    def _one(self, labels: dict[str, str]) -> Any:
        if self.name not in _made:
            _made[self.name] = self._make()
        return _made[self.name].labels(**labels) if labels else _made[self.name]

    def _make(self) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class Counter(Metric):
    """Only ever grows; its name ends in `_total`."""

    def inc(self, count: float = 1, **labels: str) -> None:
        self._change("inc", count, labels)

    def _make(self) -> Any:
        from prometheus_client import Counter as Made

        return Made(self.name, self.doc, self.labels, registry=_registry)


@dataclass(frozen=True)
class Gauge(Metric):
    """What is now, over the living processes: their sum, or the largest."""

    over: Literal["livesum", "livemax"] = "livesum"

    def set(self, value: float, **labels: str) -> None:
        self._change("set", value, labels)

    def _make(self) -> Any:
        from prometheus_client import Gauge as Made

        return Made(
            self.name, self.doc, self.labels, registry=_registry, multiprocess_mode=self.over
        )


@dataclass(frozen=True)
class Histogram(Metric):
    """How long something took, in seconds."""

    def observe(self, seconds: float, **labels: str) -> None:
        self._change("observe", seconds, labels)

    def _make(self) -> Any:
        from prometheus_client import Histogram as Made

        return Made(self.name, self.doc, self.labels, registry=_registry, buckets=SECONDS)


ALARM = Gauge("bodh_alarm", "1 while an alarm stands", ("alarm",), over="livemax")

SPOOL_WAITING = Gauge("bodh_spool_entries_waiting", "Entries not in Postgres yet", over="livemax")
SPOOL_OLDEST = Gauge(
    "bodh_spool_oldest_unsent_seconds", "Age of the oldest of them", over="livemax"
)
SPOOL_FAILURES = Counter("bodh_spool_failures_total", "Times the spool took nothing")
SPOOL_LOST = Counter("bodh_spool_lost_total", "Entries the spool refused for too long", ("kind",))
DRAINED = Counter("bodh_drained_entries_total", "Entries the drainer stored", ("kind",))
DEAD_LETTERS = Counter("bodh_dead_letters_total", "Entries that cannot be stored", ("kind",))
DRAIN_FAILURES = Counter("bodh_drain_failures_total", "Batches that Postgres did not take")

INBOX_WAITING = Gauge("bodh_inbox_waiting", "Webhooks whose effects wait", over="livemax")
INBOX_OLDEST = Gauge("bodh_inbox_oldest_seconds", "Age of the oldest of them", over="livemax")
WEBHOOKS = Counter(
    "bodh_webhooks_total", "Webhooks: received, repeated, refused, processed, set_aside",
    ("outcome",),
)  # fmt: skip

ROOMS_WITHOUT_AGENT = Gauge(
    "bodh_rooms_without_agent", "Rooms with a learner and no living agent", over="livemax"
)
REDISPATCHES = Counter("bodh_redispatches_total", "Agents asked for again", ("reason",))
REPLACE_SECONDS = Histogram("bodh_replace_seconds", "Agent lost -> the next one in the room")
LEASE_AGE = Gauge(
    "bodh_agent_lease_age_seconds", "Age of the oldest beat of a living agent", over="livemax"
)

AGENT_ROOMS = Gauge("bodh_agent_rooms", "Rooms that this host's agents serve")
TURN_SECONDS = Histogram(
    "bodh_turn_seconds", "Parts of an answer: end_of_turn, text, first_audio", ("part",)
)
LOOP_LAG = Histogram("bodh_loop_lag_seconds", "How late an agent's event loop runs what is due")
FALSE_INTERRUPTIONS = Counter(
    "bodh_false_interruptions_total", "The tutor stopped for a sound that was no turn"
)
PROVIDER_FAILURES = Counter(
    "bodh_provider_failures_total", "A model did not answer: stt, llm, tts, vad", ("part",)
)

DISK_FREE = Gauge("bodh_disk_free_bytes", "Free where BODH_HOME is", over="livemax")
CLOCK_SKEW = Gauge(
    "bodh_clock_skew_seconds", "How far this host's clock is from the database's", over="livemax"
)

POOL_SIZE = Gauge("bodh_pool_connections", "Open connections to Postgres")
POOL_IDLE = Gauge("bodh_pool_idle", "Those that nobody uses")

POOL_WAIT = Histogram("bodh_pool_wait_seconds", "Asked for a connection -> in a transaction")

HTTP_REQUESTS = Counter(
    "bodh_http_requests_total", "Requests, by route template", ("method", "route", "status")
)
HTTP_SECONDS = Histogram("bodh_http_seconds", "How long they took", ("route",))

METRICS = [value for value in list(globals().values()) if isinstance(value, Metric)]


async def watch_loop() -> None:
    """Measures LOOP_LAG twice a second, until cancelled: the first sign of too little CPU."""
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + LOOK_EVERY_S
        await asyncio.sleep(LOOK_EVERY_S)
        LOOP_LAG.observe(max(0.0, clock() - due))
