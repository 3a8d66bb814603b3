"""Log lines, metrics and alarms of a real process, and what never gets into them."""

import ast
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, get_args

import jwt
import pytest
from prometheus_client import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from agent.models.provider import Kind
from agent.room.latency import TURN_PARTS
from telemetry import gather, metrics
from telemetry.log_lines import FACTS, OURS, may_log
from watch.leases import Verdict
from web.connections import DropReason

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TOKEN = jwt.encode({"sub": "l_a"}, "not a secret, only long enough for it")
CANARIES = ("Rosalind", "the secret sentence", "secret sentence", TOKEN, "hunter2")

BEGIN = """
import logging, sys
import prometheus_client  # a library may have loaded it already
from settings import Settings
import telemetry
telemetry.start("web", Settings(_env_file=None, bodh_home=sys.argv[1]))
NAME, WORDS, TOKEN, PASSWORD = sys.argv[2], sys.argv[3], sys.argv[5], sys.argv[6]
ours, foreign = logging.getLogger("agent.job.job"), logging.getLogger("somebody.else")
"""


def run(code: str, home: Path, *, status: int = 0) -> list[dict[str, Any]]:
    """The log lines of a process that runs this after its start."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, str(home), *CANARIES],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert [canary for canary in CANARIES if canary in done.stderr + done.stdout] == []
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_line_has_only_the_facts_on_the_list(tmp_path: Path) -> None:
    (line,) = run(
        'ours.info("segment kept", extra={"segment_id": "SG_1", "chars": 7, "text": WORDS})',
        tmp_path,
    )
    del line["time"], line["pid"]
    assert line == {
        "level": "INFO",
        "logger": "agent.job.job",
        "process": "web",
        "message": "segment kept",
        "segment_id": "SG_1",
        "chars": 7,
    }


LEAKS = """
ours.info("x", extra={"why": WORDS, "session_id": NAME, "key": WORDS, "chars": WORDS})
ours.info("x", extra={"identity": NAME, "token": TOKEN, "route": "/a?t=" + TOKEN})
ours.info("said %s by %s", WORDS, NAME)
ours.info("join with " + TOKEN)
ours.info("at postgresql://bodh:" + PASSWORD + "@host/db")
ours.info("ws://host/rtc?access_token=" + TOKEN)
foreign.warning("cannot send: " + WORDS)
foreign.warning(f"cannot send {WORDS!r}")
foreign.warning("cannot send %s", WORDS)
foreign.warning({"text": WORDS})
"""


def test_words_names_and_secrets_are_never_logged(tmp_path: Path) -> None:
    lines = run(LEAKS, tmp_path)
    assert len(lines) == 10


RAISE = """
try:
    try:
        raise ValueError(WORDS)
    except ValueError as error:
        raise RuntimeError(f"join {TOKEN} as {NAME}") from error
except RuntimeError:
    ours.exception("it failed")
"""


def test_error_is_logged_by_type_and_place_only(tmp_path: Path) -> None:
    (line,) = run(RAISE, tmp_path)
    assert line["error"] == "RuntimeError < ValueError"
    assert line["stack"][0].startswith("<string>:")


@pytest.mark.parametrize(
    "code",
    [
        "raise RuntimeError(TOKEN + WORDS)",
        "import threading\n"
        "def fail(): raise RuntimeError(TOKEN + NAME)\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join(); sys.exit(1)",
    ],
)
def test_uncaught_error_is_logged_without_its_text(code: str, tmp_path: Path) -> None:
    (line,) = run(code, tmp_path, status=1)
    assert line["level"] == "CRITICAL"
    assert line["error"] == "RuntimeError"


def test_error_of_an_unawaited_task_is_logged_without_its_text(tmp_path: Path) -> None:
    (line,) = run(
        "import asyncio, gc\n"
        "async def fail(): raise RuntimeError(TOKEN + WORDS)\n"
        "async def main():\n"
        "    asyncio.create_task(fail()); await asyncio.sleep(0); gc.collect()\n"
        "asyncio.run(main())",
        tmp_path,
    )
    assert (line["message"], line["error"]) == (
        "Task exception was never retrieved",
        "RuntimeError",
    )


RELAYED = """
from logging.handlers import QueueHandler
import pickle
from telemetry.log_lines import LineFormatter, RelayFormatter

class AsLiveKit(logging.Handler):
    def emit(self, record):  # as livekit.agents hands the record of a job to its worker
        record.message = record.msg = self.format(record)
        record.args = record.exc_info = record.stack_info = None
        sent = pickle.loads(pickle.dumps(record))
        print(LineFormatter("agent").format(sent), file=sys.stderr)

handler = AsLiveKit()
handler.setFormatter(RelayFormatter())
logging.getLogger().handlers = [handler]
"""


def test_records_of_a_job_process_have_only_facts_on_the_list(tmp_path: Path) -> None:
    (line,) = run(RELAYED + RAISE.replace('"it failed"', '"it failed", extra={"why": WORDS}'),
                  tmp_path)  # fmt: skip
    assert (line["process"], line["message"]) == ("job", "it failed")
    assert line["error"] == "RuntimeError < ValueError"


NATIVE = """
logging.getLogger("livekit").error(
    "%s:%s:%s - %s", "livekit::rtc_engine", 1063, "livekit::rtc_engine", WORDS + TOKEN
)
"""


def test_error_in_native_code_is_logged_by_place_only(tmp_path: Path) -> None:
    (line,) = run(RELAYED + NATIVE, tmp_path)
    assert line["message"] == "native part, livekit.rtc_engine line 1063"


def test_alarm_is_logged_once_when_raised_and_once_when_cleared(tmp_path: Path) -> None:
    lines = run(
        'for on in (False, True, True, False, False): telemetry.alarm("dead_letters", on, count=3)',
        tmp_path,
    )
    assert [(line["level"], line["message"], line["alarm"]) for line in lines] == [
        ("ERROR", "alarm", "dead_letters"),
        ("INFO", "alarm cleared", "dead_letters"),
    ]


def test_process_starts_and_logs_without_a_folder_for_metrics(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    lines = run(COUNT + 'logging.getLogger("bodh").info("goes on")', tmp_path)
    assert [line["message"] for line in lines] == [
        "metrics and alarms are off: their folder cannot be created",
        "goes on",
    ]


def test_every_fact_that_our_code_logs_is_on_the_list() -> None:
    # a new one goes to FACTS of telemetry/log_lines.py, if it is an id, a count or a kind
    assert sorted(f"{place}: {key}" for place, key, _ in logged_facts() if key not in FACTS) == []


def test_every_word_that_our_code_logs_has_the_form_of_a_word() -> None:
    """Others, such as the text of an exception, are left out of the line."""
    dropped = [
        f"{place}: {key}={ast.unparse(value)}"
        for place, key, value in logged_facts()
        if FACTS.get(key) == "word" and not may_be_word(value)
    ]
    assert sorted(dropped) == []


def may_be_word(value: ast.expr) -> bool:
    match value:
        case ast.Constant(value=constant):
            return may_log("kind", constant)
        case ast.BoolOp(values=values):
            return all(map(may_be_word, values))
        case ast.JoinedStr() | ast.Call(func=ast.Name(id="str" | "repr")):
            return False
    return True


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        (metrics.HTTP_DROPPED, get_args(DropReason)),
        (metrics.PROVIDER_FAILURES, get_args(Kind)),
        (metrics.REDISPATCHES, get_args(Verdict)),
        (metrics.TURN_SECONDS, tuple(TURN_PARTS)),
    ],
)
def test_help_and_docs_name_what_a_metric_is_counted_by(
    metric: metrics.Metric, values: tuple[str, ...]
) -> None:
    assert set(metric.doc.split(": ")[1].split(", ")) == set(values)
    page = (ROOT / "docs" / "operations.md").read_text()
    (row,) = re.findall(rf"^\| `{metric.name}` \| (.*) \|$", page, re.MULTILINE)
    assert [value for value in values if not re.search(rf"\b{value}\b", row)] == []


def logged_facts() -> Iterator[tuple[str, str, ast.expr]]:
    """File, key and value of every `extra={...}` of a logging call of ours."""
    for path in our_files():
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.keyword(arg="extra", value=ast.Dict(keys=keys, values=values)):
                    for key, value in zip(keys, values, strict=True):
                        if isinstance(key, ast.Constant):
                            yield path.name, str(key.value), value


def our_files() -> Iterator[Path]:
    for name in OURS - {"__main__", "scripts"}:
        for path in [ROOT / f"{name}.py", *(ROOT / name).rglob("*.py")]:
            if path.exists() and "node_modules" not in path.parts:
                yield path


COUNT = """
from telemetry import metrics
metrics.DRAINED.inc(3, kind="segment")
metrics.SPOOL_WAITING.set(7)
metrics.TURN_SECONDS.observe(0.2, part="text")
telemetry.alarm("disk_low", True, free_mb=12)
"""
WAIT = 'print("counted", flush=True); sys.stdin.read()'


def metrics_of(base: Path) -> dict[str, float]:
    """Sample name with labels -> value."""
    lines = generate_latest(gather.registry_that_reads_metric_files(base)).decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


@contextlib.contextmanager
def counting(home: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A running process that has counted; killed by the test or at its end."""
    alive = subprocess.Popen(
        [sys.executable, "-c", BEGIN + COUNT + WAIT, str(home), *CANARIES],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with alive:
        assert alive.stdout is not None
        assert alive.stdout.readline() == b"counted\n"
        yield alive
        alive.kill()


def test_metrics_of_all_processes_are_added_up_and_outlive_them(tmp_path: Path) -> None:
    base = tmp_path / "run" / "metrics"
    run(COUNT, tmp_path)
    with counting(tmp_path):
        found = metrics_of(base)
        assert found['bodh_drained_entries_total{kind="segment"}'] == 6
        assert found['bodh_turn_seconds_count{part="text"}'] == 2
        assert found["bodh_spool_entries_waiting"] == 7
        assert found['bodh_alarm{alarm="disk_low"}'] == 1
        assert gather.list_living_after_burying_dead(base) == {"web"}
        assert gather.read_alarms_and_bury_dead(base)["disk_low"].facts == {"free_mb": 12}
    found = metrics_of(base)
    assert found['bodh_drained_entries_total{kind="segment"}'] == 6
    assert found['bodh_turn_seconds_bucket{le="0.25",part="text"}'] == 2
    assert "bodh_spool_entries_waiting" not in found
    assert gather.read_alarms_and_bury_dead(base) == {}
    assert [path.name for path in base.glob("*.lock")] == []


def test_process_that_dies_during_a_read_still_counts_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "run" / "metrics"
    with counting(tmp_path) as alive, ThreadPoolExecutor() as threads:
        merge: Any = MultiProcessCollector.merge
        burials: list[Future[set[str]]] = []

        def merge_after_a_death(files: list[str]) -> Any:
            alive.kill()
            alive.wait()
            burials.append(threads.submit(gather.list_living_after_burying_dead, base))
            wait(burials, 0.3)
            return merge(files)

        monkeypatch.setattr(MultiProcessCollector, "merge", merge_after_a_death)
        assert metrics_of(base)['bodh_drained_entries_total{kind="segment"}'] == 3
        assert burials[0].result(5) == set()
        assert [path.name for path in base.iterdir() if path.is_dir()] == ["past"]


def test_metrics_are_read_while_a_worker_empties_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "run" / "metrics"
    with counting(tmp_path):
        merge: Any = MultiProcessCollector.merge
        emptied = list(base.glob("web-*/histogram_*.db"))

        def merge_emptied(files: list[str]) -> Any:
            for path in emptied:
                path.unlink(missing_ok=True)
            return merge(files)

        monkeypatch.setattr(MultiProcessCollector, "merge", merge_emptied)
        assert metrics_of(base)['bodh_drained_entries_total{kind="segment"}'] == 3
