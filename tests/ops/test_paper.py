"""The documentation agrees with the code."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values

from scripts.up import NAMES
from settings import Settings
from telemetry.alarms import ALARMS
from telemetry.metrics import METRICS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SETTINGS = sorted(name.upper() for name in Settings.model_fields)


def readme_settings() -> dict[str, str]:
    """Default by name, from the README's table."""
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\|", README, re.MULTILINE))


def read_settings(values: dict[str, str]) -> Settings:
    return Settings.model_validate({k.lower(): v for k, v in values.items() if v})


def test_env_example_has_every_setting() -> None:
    assert sorted(dotenv_values(ROOT / ".env.example")) == SETTINGS


def test_readme_has_every_setting() -> None:
    assert sorted(readme_settings()) == SETTINGS


def test_defaults_in_env_example_equal_the_code(no_environment: None) -> None:
    values = {k: v or "" for k, v in dotenv_values(ROOT / ".env.example").items()}
    assert read_settings(values) == read_settings({})


def test_defaults_in_the_readme_equal_the_code(no_environment: None) -> None:
    assert read_settings(readme_settings()) == read_settings({})


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hides settings in the environment and in a developer's .env."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_every_process_is_started_and_described() -> None:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "processes.conf")
    named = [name.removeprefix("program:") for name in config.sections() if "program:" in name]
    table = (ROOT / "docs/architecture.md").read_text().split("## Layers")[0]
    described = re.findall(r"^\| (\w+) \| `", table, re.MULTILINE)
    assert named == list(NAMES)
    assert described == named


def test_make_help_has_a_line_for_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert targets is not None
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert sorted(re.findall(r"^  make (\w+) +\S", shown, re.MULTILINE)) == sorted(
        targets[1].split()
    )


def test_ci_runs_make_test_and_nothing_else() -> None:
    assert (ROOT / ".ci/run").read_text().splitlines()[1:] == ["exec make test"]


def test_links_in_the_documentation_work() -> None:
    papers = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    dead = [
        f"{paper.name}: {link}"
        for paper in papers
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", paper.read_text())
        if not (paper.parent / link).exists()
    ]
    assert dead == []


OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def test_operations_page_explains_every_alarm_and_metric() -> None:
    documented = re.findall(r"^\| `([a-z_]+)` \|", OPERATIONS, re.MULTILINE)
    assert sorted(documented) == sorted([*ALARMS, *(metric.name for metric in METRICS)])
