"""Metrics and alarms of all processes of a BODH_HOME, added up for /metrics.

A process is alive while it holds its lock. What dead processes counted is kept in `past`, because
a counter must never fall.
"""

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from telemetry.alarms import ACTIVE_FILE, ALARMS, AlarmName
from telemetry.metric_files import MetricFile

PAST = "past"
KEPT = ("counter", "histogram")  # a gauge of a dead process means nothing


@dataclass(frozen=True)
class ActiveAlarm:
    name: AlarmName
    since: datetime
    facts: dict[str, float | int | str]


def registry_that_reads_metric_files(base: Path) -> CollectorRegistry:
    found = CollectorRegistry()
    found.register(_MergedMetrics(base))
    return found


def read_alarms_and_bury_dead(base: Path) -> dict[AlarmName, ActiveAlarm]:
    """The alarms that are on in living processes. If two have the same name, the older one."""
    found: dict[AlarmName, ActiveAlarm] = {}
    with _locked_after_removing_dead_processes(base):
        files = [json.loads(path.read_text()) for path in sorted(base.glob(f"*/{ACTIVE_FILE}"))]
    for name, facts in (alarm for alarms in files for alarm in alarms.items()):
        since = datetime.fromtimestamp(facts.pop("since"), UTC)
        if name in ALARMS and (name not in found or since < found[name].since):
            found[name] = ActiveAlarm(name, since, facts)
    return found


def list_living_after_burying_dead(base: Path) -> set[str]:
    with _locked_after_removing_dead_processes(base):
        return {path.name.split("-", 1)[0] for path in base.glob("*.lock")}


@contextlib.contextmanager
def _locked_after_removing_dead_processes(base: Path) -> Iterator[None]:
    """Adds what dead processes counted to `past` and removes their folders.

    Until it exits, no other process removes a folder.
    """
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (base / f".{PAST}").open("w") as only_one:
        fcntl.flock(only_one, fcntl.LOCK_EX)
        for lock in base.glob("*.lock"):
            if not _is_lock_held(lock):
                folder = lock.with_suffix("")
                with contextlib.suppress(OSError):  # on a full disk these counts are lost
                    _add_to_past(folder, base / PAST)
                shutil.rmtree(folder, ignore_errors=True)
                lock.unlink()
        yield


def _is_lock_held(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _add_to_past(folder: Path, past: Path) -> None:
    past.mkdir(exist_ok=True)
    for kind in KEPT:
        files = list(_list_written_files(folder, f"{kind}_*.db"))
        if not files:
            continue
        sums: Any
        with contextlib.closing(MetricFile(str(past / f"{kind}_0.db"))) as sums:
            for path in files:
                for key, value, _, _ in _read_metric_values(path):
                    sums.write_value(key, sums.read_value(key)[0] + value, 0.0)


def _list_written_files(base: Path, pattern: str) -> Iterator[Path]:
    """Skips empty files: a new file is empty for a moment."""
    return (path for path in base.glob(pattern) if path.stat().st_size)


def _read_metric_values(path: Path) -> Iterator[tuple[str, float, float, int]]:
    values: Iterator[tuple[str, float, float, int]] = MetricFile.read_all_values_from_file(  # type: ignore[no-untyped-call]
        str(path)
    )
    return values


class _MergedMetrics:
    def __init__(self, base: Path) -> None:
        self._base = base

    def collect(self) -> Iterable[Metric]:
        with _locked_after_removing_dead_processes(self._base):
            while True:  # LiveKit's worker empties its folder when it starts: try again
                with contextlib.suppress(FileNotFoundError):
                    files = [str(path) for path in _list_written_files(self._base, "*/*.db")]
                    merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
                    return merged
