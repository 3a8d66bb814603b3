"""Log lines: their format, and the list of facts that they may have."""

import json
import logging
import re
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

Fact = Literal["id", "word", "number", "route"]

# a fact is logged if its key is here and its value has the form of the key's kind
FACTS: dict[str, Fact] = {
    **dict.fromkeys(
        ("session_id", "room_id", "lesson_id", "segment", "segment_id", "job_id",
         "id", "key", "event", "host", "version", "rtc-version", "worker_id", "node_id"),
        "id",
    ),
    **dict.fromkeys(
        ("kind", "why", "code", "role", "type", "part", "reason", "alarm", "outcome", "method",
         "status_name", "region"),
        "word",
    ),
    **dict.fromkeys(
        ("epoch", "revision", "count", "chars", "pcm_bytes", "retry_in_s", "applied_at", "pid",
         "helper_pid", "status", "ms", "waiting", "oldest_s", "rooms", "free_mb", "skew_s",
         "turn", "seconds", "timeout", "load", "threshold", "memory_usage_mb", "memory_limit_mb",
         "started_speaking_at", "stopped_speaking_at", "transcription_delay", "end_of_turn_delay",
         "on_user_turn_completed_delay", "llm_node_ttft", "llm_node_tps", "llm_node_ttfs",
         "tts_node_ttfb", "e2e_latency", "delay", "elapsed_time", "attempt"),
        "number",
    ),
    "route": "route",
}  # fmt: skip

# an id has a digit, or begins with capitals as the media server's ids do
_ID = re.compile(r"(?=.*\d)[\w:.-]{1,160}|[A-Z]{2,3}_\w{4,40}")
_SHAPES: dict[Fact, re.Pattern[str]] = {
    "id": _ID,
    "word": re.compile(r"[A-Za-z][\w.]{0,63}"),
    "route": re.compile(r"/[\w/{}.:*-]{0,200}"),
}

# loggers of our own modules, whose messages are always static (CONTRIBUTING.md)
OURS = frozenset(
    ("bodh", "agent", "courses", "db", "jobs", "protocol", "rooms", "scripts", "settings", "speech",
     "telemetry", "token_server", "tools", "watch", "web", "__main__")
)  # fmt: skip
_CUT = re.compile(r"""[\n:='"`<{\[(]""")  # what libraries put before a value
_SECRET = re.compile(r"eyJ[\w-]{8,}[\w.-]*|//[^/\s@]*@|\?\S+|(?i:bearer) \S+")


class LineFormatter(logging.Formatter):
    def __init__(self, process: str, *, readable: bool = False) -> None:
        super().__init__()
        self._process = process
        self._readable = readable

    def format(self, record: logging.LogRecord) -> str:
        line = log_line_of(record, self._process)
        return readable_line(line) if self._readable else json.dumps(line)


class RelayFormatter(logging.Formatter):
    """Cleans the records of a job process before LiveKit sends them to the worker, which logs them.

    LiveKit sends the returned text as the message, and the attributes of the record.
    """

    def format(self, record: logging.LogRecord) -> str:
        for name, value in log_line_of(record, "job").items():
            if name in ("error", "stack", "process"):
                setattr(record, f"line_{name}", value)
        record.exc_text = None
        return message_of(record)


def log_line_of(record: logging.LogRecord, process: str) -> dict[str, Any]:
    line: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "process": getattr(record, "line_process", process),
        "message": message_of(record),
    }
    line |= {name: value for name, value in record.__dict__.items() if may_log(name, value)}
    line["pid"] = record.process
    return line | error_of(record)


def message_of(record: logging.LogRecord) -> str:
    """The message without arguments; from a library, only the part before any value."""
    text = _native_place(record) or str(record.msg)
    if record.name.split(".", 1)[0] not in OURS:
        text = _CUT.split(text, maxsplit=1)[0].strip() or "(hidden)"
    return _SECRET.sub("(secret)", text)


def _native_place(record: logging.LogRecord) -> str:
    """Where the media client's native code logged. Its text is left out: it can contain names."""
    if record.name != "livekit" or record.msg != "%s:%s:%s - %s" or not record.args:
        return ""
    target, line, *_ = record.args
    return f"native part, {str(target).replace('::', '.')} line {line}"


def may_log(name: str, value: object) -> bool:
    kind = FACTS.get(name)
    if kind is None:
        return False
    if value is None or isinstance(value, bool | int | float):
        return True
    return kind != "number" and isinstance(value, str) and bool(_SHAPES[kind].fullmatch(value))


def error_of(record: logging.LogRecord) -> dict[str, Any]:
    """The types and stack of an exception, without its text: the media client's has the token."""
    if hasattr(record, "line_error"):
        return {"error": record.line_error, "stack": getattr(record, "line_stack", [])}
    if not record.exc_info or record.exc_info[1] is None:
        return {}
    names: list[str] = []
    stack: list[str] = []
    error: BaseException | None = record.exc_info[1]
    while error is not None and len(names) < 5:
        names.append(type(error).__name__)
        stack += stack_places(error.__traceback__)
        error = error.__cause__ or error.__context__
    return {"error": " < ".join(names), "stack": stack[:40]}


def stack_places(trace: TracebackType | None) -> list[str]:
    frames = traceback.walk_tb(trace)
    return [
        f"{'/'.join(frame.f_code.co_filename.rsplit('/', 2)[-2:])}:{line} {frame.f_code.co_name}"
        for frame, line in frames
    ]


def readable_line(line: dict[str, Any]) -> str:
    head = ("time", "level", "logger", "process", "message", "pid", "stack")
    facts = " ".join(f"{name}={value}" for name, value in line.items() if name not in head)
    text = f"{line['time'][11:19]} {line['level']:<7} {line['message']}"
    return "\n  ".join([f"{text} {facts}".rstrip(), *line.get("stack", ())])


def log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """For `sys.excepthook`: the default hook would print the text of the exception."""
    if not issubclass(kind, KeyboardInterrupt):
        logging.getLogger("bodh").critical("uncaught exception", exc_info=(kind, error, trace))
