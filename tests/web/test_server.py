"""The server process: its port, its shutdown, and the sign-in it prints."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import jwt
import pytest

from harness.run_folder import RUN_VARIABLE
from harness.stack import ROOT, free_port
from settings import Settings, fill_in_and_create_secrets


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A BODH_HOME and ports for this test only."""
    own = {"BODH_HOME": str(tmp_path), "PORT": str(free_port()), "LIVEKIT_PORT": str(free_port())}
    kept = {name: os.environ[name] for name in ("PATH", RUN_VARIABLE)}
    return {**kept, "HOME": str(tmp_path), **own}


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, ROOT / "token_server.py", *arguments],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def await_answer(process: subprocess.Popen[str], url: str) -> None:
    """Waits until the server responds. Raises AssertionError if it has exited."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 loopback
                assert answer.status == 200
            return
        except OSError:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)


def test_sigterm_stops_the_server_with_status_0(environment: dict[str, str]) -> None:
    process = start(environment, "serve")
    try:
        await_answer(process, f"http://127.0.0.1:{environment['PORT']}/healthz")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def test_requests_are_logged_by_template_without_path_or_query(
    environment: dict[str, str],
) -> None:
    process = start(environment, "serve")
    url = f"http://127.0.0.1:{environment['PORT']}"
    try:
        await_answer(process, f"{url}/healthz")
        for path in ("/transcripts/Rosalind?name=Rosalind", "/Rosalind/of/nowhere"):
            with contextlib.suppress(urllib.error.HTTPError):
                urllib.request.urlopen(url + path, timeout=5).close()  # noqa: S310 loopback
    finally:
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=20)
    lines = [json.loads(line) for line in told.splitlines()]
    asked = [line for line in lines if line["message"] == "request"]
    assert {(line["method"], line["route"]) for line in asked} == {
        ("GET", "/transcripts/{session_id}"),
        ("GET", "/*"),
    }
    assert "Rosalind" not in told


def test_taken_port_exits_with_one_line(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(environment["PORT"]))):
        process = start(environment)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert told.count("\n") == 1
    assert f"127.0.0.1:{environment['PORT']}" in told
    assert "set PORT" in told


def test_login_prints_a_token_of_this_home(environment: dict[str, str], tmp_path: Path) -> None:
    process = start(environment, "login", "--name", "Amina", "--role", "mentor")
    token, _ = process.communicate(timeout=30)
    settings = fill_in_and_create_secrets(Settings(_env_file=None, bodh_home=tmp_path))
    claims = jwt.decode(
        token.strip(), settings.auth_secret.get_secret_value(), ["HS256"], audience="bodh"
    )
    assert (claims["sub"], claims["roles"], claims["tenant"]) == ("Amina", ["teacher"], "default")
    assert set(claims) == {"iss", "aud", "sub", "name", "tenant", "roles", "iat", "exp"}


def test_login_prints_no_token_without_development_sign_in(environment: dict[str, str]) -> None:
    process = start({**environment, "DEV_LOGIN": "false"}, "login", "--name", "Amina")
    printed, told = process.communicate(timeout=30)
    assert (process.returncode, printed) == (1, "")
    assert "development sign-in is off" in told
