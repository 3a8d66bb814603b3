"""All metrics of all processes: counters, gauges and histograms.

Each process keeps its metrics in files (the multiprocess mode of `prometheus_client`), which
`telemetry.gather` adds up. docs/operations.md explains each metric.
"""

import asyncio
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client
MEASURE_EVERY_S = 0.5
SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_registry: "CollectorRegistry | None" = None
_made: dict[str, Any] = {}


def keep_metrics_in(folder: Path) -> None:
    global _registry
    os.environ[FOLDER] = str(folder)
    from prometheus_client import CollectorRegistry, values

    from telemetry.metric_files import MetricFile

    values.MmapedDict = MetricFile  # type: ignore[attr-defined]
    if not values.ValueClass._multiprocess:  # imported earlier: it chose to keep values in memory
        values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
    _made.clear()
    _registry = CollectorRegistry()


@dataclass(frozen=True)
class Metric:
    name: str
    doc: str
    labels: tuple[str, ...] = ()

    def _change_value(
        self, verb: Literal["inc", "set", "observe"], value: float, labels: dict[str, str]
    ) -> None:
        if _registry is not None:
            with contextlib.suppress(OSError):  # a full disk costs a metric, not the process
                getattr(self._collector_for(labels), verb)(value)

    def _collector_for(self, labels: dict[str, str]) -> Any:
        if self.name not in _made:
            _made[self.name] = self._make_collector()
        return _made[self.name].labels(**labels) if labels else _made[self.name]

    def _make_collector(self) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class Counter(Metric):
    def inc(self, count: float = 1, **labels: str) -> None:
        self._change_value("inc", count, labels)

    def _make_collector(self) -> Any:
        from prometheus_client import Counter as Made

        return Made(self.name, self.doc, self.labels, registry=_registry)


@dataclass(frozen=True)
class Gauge(Metric):
    """A current value: the sum or the maximum over all living processes."""

    over: Literal["livesum", "livemax"] = "livesum"

    def set(self, value: float, **labels: str) -> None:
        self._change_value("set", value, labels)

    def _make_collector(self) -> Any:
        from prometheus_client import Gauge as Made

        return Made(
            self.name, self.doc, self.labels, registry=_registry, multiprocess_mode=self.over
        )


@dataclass(frozen=True)
class Histogram(Metric):
    def observe(self, seconds: float, **labels: str) -> None:
        self._change_value("observe", seconds, labels)

    def _make_collector(self) -> Any:
        from prometheus_client import Histogram as Made

        return Made(self.name, self.doc, self.labels, registry=_registry, buckets=SECONDS)


ALARM = Gauge("bodh_alarm", "1 while the alarm is on", ("alarm",), over="livemax")

SPOOL_WAITING = Gauge(
    "bodh_spool_entries_waiting", "Entries that are not in Postgres yet", over="livemax"
)
SPOOL_OLDEST = Gauge(
    "bodh_spool_oldest_unsent_seconds", "Age of the oldest waiting entry", over="livemax"
)
SPOOL_FAILURES = Counter("bodh_spool_failures_total", "Failed writes to the spool")
SPOOL_LOST = Counter(
    "bodh_spool_lost_total", "Entries given up after failed writes to the spool", ("kind",)
)
HELD_LOST = Counter(
    "bodh_held_lost_total", "Segments lost because their learner could not be read in time"
)
DRAINED = Counter(
    "bodh_drained_entries_total", "Entries stored in Postgres by the drainer", ("kind",)
)
DEAD_LETTERS = Counter("bodh_dead_letters_total", "Entries that cannot be stored", ("kind",))
DRAIN_FAILURES = Counter(
    "bodh_drain_failures_total", "Batches that could not be moved to Postgres; they are retried"
)

INBOX_WAITING = Gauge("bodh_inbox_waiting", "Webhooks not applied yet", over="livemax")
INBOX_OLDEST = Gauge(
    "bodh_inbox_oldest_seconds", "Age of the oldest waiting webhook", over="livemax"
)
WEBHOOKS = Counter(
    "bodh_webhooks_total", "Webhooks: received, repeated, refused, processed, set_aside",
    ("outcome",),
)  # fmt: skip

ROOMS_WITHOUT_AGENT = Gauge(
    "bodh_rooms_without_agent", "Rooms with a learner and no living agent", over="livemax"
)
REDISPATCHES = Counter(
    "bodh_redispatches_total",
    "Actions of the watcher for sessions without an agent: ask, replace, remake, end",
    ("reason",),
)
REPLACE_SECONDS = Histogram(
    "bodh_replace_seconds", "From the loss of an agent to the next one in the room"
)
LEASE_AGE = Gauge(
    "bodh_agent_lease_age_seconds", "Age of the oldest heartbeat of a living agent", over="livemax"
)

JOBS_PENDING = Gauge(
    "bodh_background_jobs_pending", "Background jobs waiting to start", over="livemax"
)
JOBS_OLDEST = Gauge(
    "bodh_background_jobs_oldest_seconds",
    "How long the oldest waiting job has been due",
    over="livemax",
)
JOBS_FAILED = Gauge(
    "bodh_background_jobs_failed", "Background jobs that are not retried", over="livemax"
)
JOBS = Counter(
    "bodh_background_jobs_total", "Runs of background jobs, by outcome: completed, retried, failed",
    ("kind", "outcome"),
)  # fmt: skip
JOB_SECONDS = Histogram(
    "bodh_background_job_seconds", "Duration of completed background jobs", ("kind",)
)

AGENT_ROOMS = Gauge("bodh_agent_rooms", "Rooms served by agents of this host")
TURN_SECONDS = Histogram(
    "bodh_turn_seconds", "Parts of the time to an answer: end_of_turn, text, first_audio", ("part",)
)
LOOP_LAG = Histogram("bodh_loop_lag_seconds", "How late the event loop of an agent runs")
FALSE_INTERRUPTIONS = Counter(
    "bodh_false_interruptions_total", "Times the tutor stopped for a sound that was not a turn"
)
VOICE_FIRST_SECONDS = Histogram(
    "bodh_voice_first_sound_seconds", "From a text to the first sound of the local voice"
)
VOICE_FALLBACKS = Counter(
    "bodh_voice_fallbacks_total", "Times eSpeak NG took over from Piper: failed, slow", ("reason",)
)
PROVIDER_FAILURES = Counter(
    "bodh_provider_failures_total", "Failed calls of a remote model: stt, llm, tts", ("part",)
)

SPEECH_WAITING = Gauge("bodh_speech_waiting", "Finals that wait in the speech engine")
SPEECH_REQUESTS = Counter(
    "bodh_speech_requests_total",
    "Requests to the speech engine: answered, reused, refused, dropped, thrown_away, failed",
    ("kind", "outcome"),
)
SPEECH_DECODE_SECONDS = Histogram("bodh_speech_decode_seconds", "Duration of a decode or a batch")
SPEECH_BUSY_SECONDS = Counter("bodh_speech_busy_seconds_total", "Time spent on decodes")
SPEECH_AUDIO_SECONDS = Counter("bodh_speech_audio_seconds_total", "Sound that was decoded")
SPEECH_BATCHES = Counter("bodh_speech_batches_total", "Decodes, by utterances in them", ("size",))

DISK_FREE = Gauge("bodh_disk_free_bytes", "Free space on the disk of BODH_HOME", over="livemax")
CLOCK_SKEW = Gauge(
    "bodh_clock_skew_seconds",
    "Difference between this host's clock and the database's",
    over="livemax",
)

POOL_SIZE = Gauge("bodh_pool_connections", "Open connections to Postgres")
POOL_IDLE = Gauge("bodh_pool_idle", "Idle connections to Postgres")

POOL_WAIT = Histogram(
    "bodh_pool_wait_seconds", "From asking for a connection to the start of the transaction"
)

HTTP_REQUESTS = Counter(
    "bodh_http_requests_total", "Requests, by route template", ("method", "route", "status")
)
HTTP_SECONDS = Histogram("bodh_http_seconds", "Duration of requests", ("route",))
HTTP_DROPPED = Counter(
    "bodh_http_dropped_total",
    "Connections that the server closed: header, body, read, large, crowded",
    ("reason",),
)

METRICS = [value for value in list(globals().values()) if isinstance(value, Metric)]


async def measure_loop_lag() -> None:
    """Measures LOOP_LAG until cancelled. A high lag is the first sign of too little CPU."""
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + MEASURE_EVERY_S
        await asyncio.sleep(MEASURE_EVERY_S)
        LOOP_LAG.observe(max(0.0, clock() - due))
