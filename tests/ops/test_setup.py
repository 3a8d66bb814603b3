"""Set-up: steps run once, and failures are explained."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import setup, steps
from scripts.setup import steps_for
from scripts.steps import (
    SetupError,
    Step,
    check_disk_space,
    fingerprint_files,
    run_logged,
    run_steps,
)
from scripts.toolchains import ask_version

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keeps stamps and logs of these tests out of the checkout."""
    monkeypatch.setattr(steps, "ROOT", tmp_path)
    monkeypatch.setattr(steps, "STAMPS", tmp_path / "stamps")
    monkeypatch.setattr(steps, "LOGS", tmp_path / "log")


def step(tmp_path: Path, runs: list[str], *, inputs: str = "1", disk_mb: int = 1) -> Step:
    """A step that records that it ran."""
    product = tmp_path / "product"

    def run() -> None:
        product.touch()
        runs.append(inputs)

    return Step("thing", "a thing", product, inputs, disk_mb, run)


def test_step_runs_once_for_the_same_inputs(tmp_path: Path) -> None:
    runs: list[str] = []
    for inputs in ("1", "1", "2", "2"):
        run_steps([step(tmp_path, runs, inputs=inputs)])
    assert runs == ["1", "2"]


def test_step_runs_again_when_its_product_is_missing(tmp_path: Path) -> None:
    runs: list[str] = []
    run_steps([step(tmp_path, runs)])
    (tmp_path / "product").unlink()
    run_steps([step(tmp_path, runs)])
    assert runs == ["1", "1"]


def test_failed_step_runs_again(tmp_path: Path) -> None:
    def fail() -> None:
        raise SetupError("no network")

    runs: list[str] = []
    with pytest.raises(SetupError):
        run_steps([Step("thing", "a thing", tmp_path / "product", "1", 1, fail)])
    run_steps([step(tmp_path, runs)])
    assert runs == ["1"]


def test_full_disk_stops_set_up_before_it_starts(tmp_path: Path) -> None:
    runs: list[str] = []
    with pytest.raises(SetupError, match="disk space: set-up needs 99000000 MB"):
        run_steps([step(tmp_path, runs, disk_mb=99_000_000)])
    assert runs == []


def test_disk_message_says_how_much_is_missing() -> None:
    with pytest.raises(SetupError, match=r"needs 3000 MB .* 1000 MB are free. Free 2000 MB"):
        check_disk_space(3000, 1_000_000_000)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("dial tcp: lookup somewhere: no such host", "No network while installing thing"),
        ("Temporary failure in name resolution", "No network while installing thing"),
        ("write: No space left on device", "Disk full while installing thing"),
        ("src/a.ts: error TS2304\nmore", "thing failed: src/a.ts: error TS2304"),
    ],
)
def test_failed_command_is_explained_in_one_line(output: str, said: str) -> None:
    script = f"import sys; print({output!r}); sys.exit(1)"
    with pytest.raises(SetupError) as caught:
        run_logged("thing", [sys.executable, "-c", script])
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_long_command_shows_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(steps, "PROGRESS_S", 0.05)
    script = "import time; print('compiling part 7', flush=True); time.sleep(0.5)"
    run_logged("thing", [sys.executable, "-c", script])
    assert "compiling part 7" in capsys.readouterr().out


def test_fingerprint_changes_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    before = fingerprint_files([path])
    path.write_text("2")
    assert fingerprint_files([path]) != before


def test_missing_python_is_explained_in_one_line(tmp_path: Path) -> None:
    answer = subprocess.run(
        ["/bin/sh", ROOT / "scripts/python"], env={"PATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    assert answer.stderr.startswith("Bodh needs Python 3.11 to 3.14")
    assert len(answer.stderr.splitlines()) == 1


def test_set_up_imports_only_the_standard_library() -> None:
    seen: set[str] = set()
    waiting = ["scripts.setup", "scripts.venv"]
    foreign = set()
    while waiting:
        module = waiting.pop()
        seen.add(module)
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            waiting += [n for n in names if n.startswith("scripts.") and n not in seen]
            foreign |= {n for n in names if n.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not name.startswith("scripts.")} == set()


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ([], ["packages", "livekit", "client", "model", "voice"]),
        (["quick"], ["packages", "test-packages"]),
        (
            ["tests"],
            [
                *("packages", "livekit", "client", "states"),
                *("test-packages", "chromium", "oidc", "test-model", "test-voice"),
            ],
        ),
    ],
)
def test_steps_of_each_command(asked: list[str], names: list[str]) -> None:
    assert [step.name for step in steps_for(asked)] == names


def test_version_is_read_from_command_output() -> None:
    assert ask_version(sys.executable, "--version")[:2] == sys.version_info[:2]
    assert ask_version("no-such-command") == ()


def test_set_up_goes_on_without_a_voice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "PYTHON", sys.executable)
    monkeypatch.setenv("BODH_HOME", str(tmp_path))
    monkeypatch.setenv("VOICE_MODEL", "en_US-nobody-high")
    setup.install_voice_if_possible()
    said = "".join(capfd.readouterr())
    assert "VOICE_MODEL=en_US-nobody-high is not a voice that can be downloaded" in said
    assert "eSpeak NG will speak" in said
