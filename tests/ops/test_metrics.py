"""/metrics, alarms and notices of a whole running Bodh, and that its logs are what they say."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from harness.stack import ROOT, Stack, running_stack

PATIENCE_S = 30.0


def wait_for(what: str, holds: Callable[[], bool]) -> None:
    """Returns when it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"{what} after {PATIENCE_S:.0f} s"
        time.sleep(0.1)


def ask(url: str, token: str = "") -> bytes:
    """The body of an answer with status 200."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 loopback
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 loopback
        body: bytes = answer.read()
    return body


def figures(stack: Stack) -> dict[str, float]:
    """Sample -> value, as a scraper of this host gets them."""
    text = ask(f"http://127.0.0.1:{int(stack.environment['PORT']) + 1}/metrics").decode()
    pairs = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def log_lines(stack: Stack, name: str) -> list[dict[str, Any]]:
    """The JSON lines of a process."""
    text = (stack.home / "log" / f"{name}.log").read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def admin_token(stack: Stack) -> str:
    """A sign-in of an admin."""
    command = [sys.executable, "token_server.py", "login", "--name", "Otto", "--role", "admin"]
    return subprocess.run(
        command, cwd=ROOT, env=stack.environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def notices(stack: Stack, token: str) -> dict[str, str | None]:
    """Name -> when it was over."""
    told = json.loads(ask(f"{stack.url}/api/notices", token))["notices"]
    return {notice["name"]: notice["clearedAt"] for notice in told}


@pytest.mark.timeout(300)
def test_a_lost_media_server_is_a_gauge_a_line_and_a_notice_until_it_is_back() -> None:
    with running_stack() as stack:
        token = admin_token(stack)
        assert notices(stack, token) == {}
        told = figures(stack)
        assert told["bodh_spool_entries_waiting"] == 0
        wait_for("no free disk", lambda: figures(stack).get("bodh_disk_free_bytes", 0) > 0)
        assert told['bodh_http_requests_total{method="GET",route="/api/notices",status="200"}'] == 1

        (server,) = stack.pids("livekit-server")
        os.kill(server, signal.SIGSTOP)
        alarm = 'bodh_alarm{alarm="media_away"}'
        try:
            wait_for("no gauge", lambda: figures(stack).get(alarm) == 1)
            wait_for("no notice", lambda: "media_away" in notices(stack, token))
        finally:
            os.kill(server, signal.SIGCONT)
        wait_for("the gauge stays", lambda: figures(stack)[alarm] == 0)
        wait_for("the notice stays", lambda: notices(stack, token)["media_away"] is not None)
        told_lines = [line for line in log_lines(stack, "watch") if line.get("alarm")]
        assert [(line["level"], line["alarm"]) for line in told_lines] == [
            ("ERROR", "media_away"),
            ("INFO", "media_away"),
        ]
