"""Alarms: what an operator should look at. Each is a metric, a log line and, later, a notice."""

import json
import logging
import threading
import time
from pathlib import Path
from typing import Literal, get_args

from telemetry import metrics
from telemetry.log_lines import may_log

AlarmName = Literal[
    "spool_not_drained",  # the oldest entry has waited for more than 5 s
    "drainer_away",
    "spool_failing",  # the host's spool cannot be written: new speech is lost
    "dead_letters",  # an entry or webhook cannot be stored
    "webhooks_waiting",
    "jobs_waiting",  # the oldest background job has been due for more than 5 min
    "jobs_failed",  # a background job is not retried
    "agent_missing",  # a learner has been without an agent for more than 30 s
    "database_away",
    "media_away",
    "speech_engine_away",
    "voice_away",  # the Piper voice does not respond; eSpeak NG speaks
    "provider_failing",  # a provider's model does not respond; the fallback is used
    "disk_low",
    "clock_skew",
]
ALARMS: tuple[AlarmName, ...] = get_args(AlarmName)
ACTIVE_FILE = "alarms.json"  # in the folder of the process: the alarms that are on

logger = logging.getLogger("bodh.alarm")
_lock = threading.Lock()
_active: dict[AlarmName, dict[str, float | int | str]] = {}
_folder: Path | None = None
_is_written = True  # whether the file is up to date; writing fails on a full disk


def keep_alarms_in(folder: Path) -> None:
    """Turns alarms on for this process; active ones are written to a file in the folder."""
    global _folder
    _folder = folder
    _active.clear()


def alarm(name: AlarmName, on: bool, **facts: float | int | str) -> None:
    """Raises or clears an alarm. Only changes have an effect, so call it at every check.

    `facts` are ids and counts; others are dropped (see `telemetry.log_lines.FACTS`).
    """
    with _lock:
        if _folder is None:
            return
        if on == (name in _active):
            _write_active_alarms(_folder, again=True)
            return
        if on:
            logged = {key: value for key, value in facts.items() if may_log(key, value)}
            _active[name] = {"since": time.time(), **logged}
        else:
            del _active[name]
        metrics.ALARM.set(1 if on else 0, alarm=name)
        _write_active_alarms(_folder)
    level = logging.ERROR if on else logging.INFO
    message = "alarm" if on else "alarm cleared"
    logger.log(level, message, extra={**facts, "alarm": name})


def _write_active_alarms(folder: Path, *, again: bool = False) -> None:
    """Writes the alarms that are on; with `again`, only if the last write failed."""
    global _is_written
    if again and _is_written:
        return
    draft = folder / f".{ACTIVE_FILE}"
    try:
        draft.write_text(json.dumps(_active))
        draft.replace(folder / ACTIVE_FILE)
    except OSError:
        _is_written = False
    else:
        _is_written = True
