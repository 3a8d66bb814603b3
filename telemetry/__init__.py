"""Telemetry. Owns log lines, figures and alarms of a process; ids and counts only.

An entry point calls `start(process, settings)` once. Everything below it counts by
`telemetry.metrics` and raises by `alarm(name, on)`; in a process that never started, as in a unit
test, both change nothing.
"""

from telemetry import metrics
from telemetry.alarms import AlarmName, alarm
from telemetry.process import start, start_job, start_logging

__all__ = ["AlarmName", "alarm", "metrics", "start", "start_job", "start_logging"]
