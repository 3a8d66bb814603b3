"""Ports, leftovers and the media server's configuration, without starting everything."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from harness.stack import free_port
from scripts.livekit import build_livekit_config
from scripts.processes import MARK, is_port_taken, kill_marked_processes, list_marked_processes
from settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(
        bodh_home=tmp_path, livekit_api_key="key", livekit_api_secret=SecretStr("s" * 32)
    )


@pytest.fixture
def stray(home: Settings) -> Iterator[psutil.Process]:
    """A process of this BODH_HOME that no parent stops."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env=os.environ | {MARK: str(home.bodh_home)},
        start_new_session=True,
    )
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


def test_leftovers_of_this_home_are_killed(home: Settings, stray: psutil.Process) -> None:
    assert [process.pid for process in list_marked_processes(home)] == [stray.pid]
    assert kill_marked_processes(home) == 1
    assert list_marked_processes(home) == []


def test_processes_of_another_home_are_left_alone(
    home: Settings, stray: psutil.Process, tmp_path: Path
) -> None:
    other = home.model_copy(update={"bodh_home": tmp_path / "other"})
    assert kill_marked_processes(other) == 0
    assert stray.is_running()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_bound_port_is_taken(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        if kind == socket.SOCK_STREAM:
            holder.listen()
        assert is_port_taken("127.0.0.1", port, kind)
    assert not is_port_taken("127.0.0.1", port, kind)


@pytest.mark.parametrize(
    ("setting", "offset", "kind"),
    [
        ("PORT", 0, socket.SOCK_STREAM),
        ("LIVEKIT_PORT", 0, socket.SOCK_STREAM),
        ("LIVEKIT_PORT", 2, socket.SOCK_DGRAM),
    ],
)
def test_port_in_use_is_explained_with_the_setting_to_change(
    setting: str, offset: int, kind: socket.SocketKind, tmp_path: Path
) -> None:
    ports = {"PORT": free_port(), "LIVEKIT_PORT": free_port(span=3)}
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", ports[setting] + offset))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        answer = up(tmp_path, **{name: str(port) for name, port in ports.items()})
    assert answer.returncode == 1
    assert answer.stdout.startswith(f"Port {ports[setting] + offset} ({setting}")
    assert f"{setting}={ports[setting] + 100} make up" in answer.stdout
    assert len(answer.stdout.splitlines()) == 1


def test_development_refuses_to_listen_beyond_this_machine(tmp_path: Path) -> None:
    answer = up(tmp_path, HOST="0.0.0.0")  # noqa: S104 refused
    assert answer.returncode == 1
    assert "ALLOW_PUBLIC_BIND" in answer.stdout
    assert len(answer.stdout.splitlines()) == 1


def test_invalid_setting_is_explained_in_one_line(tmp_path: Path) -> None:
    answer = up(tmp_path, PORT="eighty")
    assert answer.returncode == 1
    assert answer.stdout.startswith("PORT is not valid: ")
    assert len(answer.stdout.splitlines()) == 1


def test_unreachable_database_is_explained_in_one_line(tmp_path: Path) -> None:
    answer = up(
        tmp_path,
        PORT=str(free_port()),
        LIVEKIT_URL="ws://127.0.0.1:1",
        DATABASE_URL=f"postgresql://bodh@127.0.0.1:{free_port()}/bodh",
        WHISPER_MODEL="test",
    )
    assert answer.returncode == 1
    assert "No database responds at DATABASE_URL" in answer.stdout


def test_down_says_if_nothing_was_running(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "scripts.down"], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"BODH_HOME": str(tmp_path)}, check=True,
    )  # fmt: skip
    assert answer.stdout == "Nothing was running.\n"


def test_reset_keeps_the_data_without_confirmation(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    assert reset(tmp_path).returncode == 1
    assert tmp_path.exists()
    assert reset(tmp_path, YES="1").returncode == 0
    assert not tmp_path.exists()


def test_reset_keeps_a_folder_that_is_not_a_bodh_home(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    reset(tmp_path, YES="1")
    assert (tmp_path / "thesis.txt").exists()


def test_media_server_listens_on_loopback_and_creates_no_rooms(home: Settings) -> None:
    config = build_livekit_config(home)
    assert config["bind_addresses"] == ["127.0.0.1"]
    assert config["rtc"]["interfaces"]["includes"] == ["lo"]
    assert config["rtc"]["udp_port"] == home.livekit_port + 2
    assert config["rtc"]["tcp_port"] == 0
    assert config["room"] == {"auto_create": False}
    assert config["agents"] == {"target_load": 1.0}


def test_media_server_is_public_only_if_allowed(home: Settings) -> None:
    changes = {"allow_public_bind": True, "livekit_media_host": "192.168.1.20"}
    config = build_livekit_config(home.model_copy(update=changes))
    assert config["bind_addresses"] == ["0.0.0.0"]  # noqa: S104
    assert config["rtc"]["node_ip"] == "192.168.1.20"
    assert "interfaces" not in config["rtc"]


def up(home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs a `make up` that fails."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.up"], cwd=ROOT, text=True, check=False, timeout=60,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=os.environ | {"BODH_HOME": str(home)} | settings,
    )  # fmt: skip


def reset(home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.reset"], cwd=ROOT, text=True, check=False,
        stdin=subprocess.DEVNULL, capture_output=True,
        env=os.environ | {"BODH_HOME": str(home)} | settings,
    )  # fmt: skip
