"""Telemetry of a process: log lines, metrics and alarms, made of ids and counts only.

An entry point calls `start(process, settings)` once. Other code counts with `telemetry.metrics`
and raises alarms with `alarm(name, on)`. Both do nothing in a process that did not call `start`,
such as a unit test.
"""

from telemetry import metrics
from telemetry.alarms import AlarmName, alarm
from telemetry.startup import start, start_job, start_logging

__all__ = ["AlarmName", "alarm", "metrics", "start", "start_job", "start_logging"]
