"""Metrics, alarms, notices and log lines of a running Bodh."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from harness.processes import frozen
from harness.stack import ROOT, Stack

PATIENCE_S = 30.0


def wait_for(what: str, holds: Callable[[], bool]) -> None:
    """Waits until the condition holds. Raises AssertionError after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"{what} after {PATIENCE_S:.0f} s"
        time.sleep(0.1)


def ask(url: str, token: str = "") -> bytes:
    """The body of the response. Raises unless the status is 200."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 loopback
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 loopback
        body: bytes = answer.read()
    return body


def metrics(stack: Stack) -> dict[str, float]:
    """Values by sample, as scraped on this host."""
    text = ask(f"http://127.0.0.1:{int(stack.environment['PORT']) + 1}/metrics").decode()
    pairs = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def alarm_lines(stack: Stack) -> list[dict[str, Any]]:
    """The watcher's log lines about the media server."""
    text = (stack.home / "log" / "watch.log").read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("alarm") == "media_away"]


def admin_token(stack: Stack) -> str:
    """The sign-in token of an admin."""
    command = [sys.executable, "token_server.py", "login", "--name", "Otto", "--role", "admin"]
    return subprocess.run(
        command, cwd=ROOT, env=stack.environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def notices(stack: Stack, token: str) -> list[tuple[str, bool]]:
    """Names of the notices, and whether each is active."""
    rows = json.loads(ask(f"{stack.url}/api/notices", token))["notices"]
    return [(notice["name"], notice["clearedAt"] is None) for notice in rows]


@pytest.mark.timeout(300)
def test_lost_media_server_shows_in_metrics_log_and_notices_until_it_is_back(stack: Stack) -> None:
    token = admin_token(stack)
    alarm, holds = 'bodh_alarm{alarm="media_away"}', ("media_away", True)
    asked = 'bodh_http_requests_total{method="GET",route="/api/notices",status="200"}'
    before, lines = metrics(stack).get(asked, 0), len(alarm_lines(stack))
    assert holds not in notices(stack, token)
    assert metrics(stack)[asked] == before + 1
    wait_for("entries in the spool", lambda: metrics(stack)["bodh_spool_entries_waiting"] == 0)
    wait_for("no free disk", lambda: metrics(stack).get("bodh_disk_free_bytes", 0) > 0)

    (server,) = stack.pids("livekit-server")
    with frozen(server):
        wait_for("no gauge", lambda: metrics(stack).get(alarm) == 1)
        wait_for("no notice", lambda: holds in notices(stack, token))
    wait_for("the gauge stays", lambda: metrics(stack)[alarm] == 0)
    wait_for("the notice stays", lambda: holds not in notices(stack, token))
    assert ("media_away", False) in notices(stack, token)
    reported = [(line["level"], line["alarm"]) for line in alarm_lines(stack)[lines:]]
    assert reported == [("ERROR", "media_away"), ("INFO", "media_away")]
