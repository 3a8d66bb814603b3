"""Alarms: what an operator has to look at. Each is a gauge and a log line, and becomes a notice."""

import json
import logging
import threading
import time
from pathlib import Path
from typing import Literal, get_args

from telemetry import metrics
from telemetry.lines import may_tell

AlarmName = Literal[
    "spool_not_drained",  # the oldest entry has waited for more than 5 s
    "drainer_away",
    "spool_failing",  # a host's spool takes nothing: what is said now is not kept
    "dead_letters",  # an entry or a webhook cannot be stored
    "webhooks_waiting",
    "agent_missing",  # a learner has been without an agent for more than 30 s
    "database_away",
    "media_away",
    "speech_engine_away",
    "provider_failing",  # a model of somebody else's does not answer; the fallback serves
    "disk_low",
    "clock_skew",
]
ALARMS: tuple[AlarmName, ...] = get_args(AlarmName)
STANDING = "alarms.json"  # in the folder of the process: what stands now

logger = logging.getLogger("bodh.alarm")
_lock = threading.Lock()
_standing: dict[AlarmName, dict[str, float | int | str]] = {}
_folder: Path | None = None
_kept = True  # whether the folder tells what stands; a full disk takes nothing


def begin(folder: Path) -> None:
    """From now on alarms are raised, and this folder tells which stand."""
    global _folder
    _folder = folder
    _standing.clear()


def alarm(name: AlarmName, on: bool, **facts: float | int | str) -> None:
    """Says how it is; only a change is told, so it can be called as often as one looks.

    `facts` are ids and counts: what is not on the list of log lines is dropped.
    """
    with _lock:
        if _folder is None:
            return
        if on == (name in _standing):
            _keep(_folder, again=True)
            return
        if on:
            told = {key: value for key, value in facts.items() if may_tell(key, value)}
            _standing[name] = {"since": time.time(), **told}
        else:
            del _standing[name]
        metrics.ALARM.set(1 if on else 0, alarm=name)
        _keep(_folder)
    level = logging.ERROR if on else logging.INFO
    text = "alarm" if on else "alarm is over"
    logger.log(level, text, extra={**facts, "alarm": name})


def _keep(folder: Path, *, again: bool = False) -> None:
    """Tells what stands; `again` only where the disk refused it the last time."""
    global _kept
    if again and _kept:
        return
    draft = folder / f".{STANDING}"
    try:
        draft.write_text(json.dumps(_standing))
        draft.replace(folder / STANDING)
    except OSError:
        _kept = False
    else:
        _kept = True
