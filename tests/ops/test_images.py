"""Dockerfile and compose.yaml fit the code. Needs no container daemon."""

import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.venv import without_packages
from settings import Settings
from settings.needs import SECRETS, Process, secret_names

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SETTINGS = {name.upper() for name in Settings.model_fields}
OF_OTHER_IMAGES = {"POSTGRES_PASSWORD", "LIVEKIT_CONFIG"}
PASSWORDS = {f"DATABASE_{role}_PASSWORD" for role in ("OWNER", "APP", "DRAIN", "WATCH", "JOBS")}
# of this host, or in the image: not for an operator of containers to set
OWN_IN_CONTAINERS = {"METRICS_PORT", "SPEECH_ADDRESS", "VOICE_SOCKET", "AGENT_PORT"}
PROCESS_OF: dict[str, Process] = {
    "migrate": "db",
    "token-server": "web",
    "speech": "speech",
    "voice": "voice",
    "drain": "drain",
    "watch": "watch",
    "jobs": "jobs",
    "agent": "agent",
}
TARGETS = ("token-server", "agent")

# Imports with all installed files hidden, except those of a lock file's packages.
IMPORT_FROM_LOCK = """
import importlib.machinery, importlib.metadata, re, sys

locked = set(sys.argv[1].split())

def name_of(distribution):
    return re.sub("[-_.]+", "-", distribution.metadata["Name"]).lower()

hidden = {{
    str(file.locate())
    for distribution in importlib.metadata.distributions()
    if name_of(distribution) not in locked
    for file in distribution.files or ()
    if file.suffix in (".py", ".so")
}}

class Hide:
    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin in hidden:
            raise ModuleNotFoundError(f"{{name}} is not in the lock file", name=name)

sys.meta_path.insert(0, Hide)
{imports}
print(*sorted({{name.split(".")[0] for name in sys.modules}}))
"""


def stages() -> dict[str, list[str]]:
    """Instructions of each stage, by name."""
    found: dict[str, list[str]] = {}
    for line in DOCKERFILE.splitlines():
        start = re.match(r"FROM (\S+) AS (\S+)", line)
        if start:
            found[start[2]] = list(found.get(start[1], []))
        elif line and not line.startswith("#"):
            found[list(found)[-1]].append(line)
    return found


def copied(target: str) -> set[str]:
    """Paths of the checkout that a stage copies."""
    lines = [line.split()[1:] for line in stages()[target] if line.startswith("COPY ")]
    return {path for words in lines if not words[0].startswith("--") for path in words[:-1]}


def modules_called(lines: list[str]) -> set[str]:
    """Modules that are run with `python -m`."""
    return {name for line in lines for name in re.findall(r"-m[\", ]+([\w.]+)", line)}


def loaded(imports: str, lock: str) -> set[str]:
    """Top-level modules that are loaded with only the packages of a lock file."""
    answer = subprocess.run(
        [sys.executable, "-c", IMPORT_FROM_LOCK.format(imports=imports), " ".join(locked(lock))],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return set(answer.stdout.split())


def locked(name: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / name).read_text(), re.MULTILINE))


def matches(path: str, pattern: str) -> bool:
    """Whether a pattern of .dockerignore matches a path or a folder above it."""
    return any(fnmatch(str(part), pattern) for part in (Path(path), *Path(path).parents))


def test_every_copied_path_exists_and_is_not_ignored() -> None:
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    included = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    paths = {path for stage in stages() for path in copied(stage)}
    ignored = {p for p in paths if not any(matches(p, pattern) for pattern in included)}
    assert {path for path in paths if not (ROOT / path).exists()} == set()
    assert ignored == set()


def test_every_stage_contains_the_modules_it_runs() -> None:
    for stage, lines in stages().items():
        for module in modules_called(lines) - {"venv"}:
            path = module.replace(".", "/")
            assert (ROOT / f"{path}.py").exists() or (ROOT / path / "__main__.py").exists(), module
            assert path.split("/")[0] in copied(stage), f"{stage} runs {module}"


@pytest.mark.parametrize("target", TARGETS)
def test_image_runs_as_a_plain_user_without_a_compiler(target: str) -> None:
    lines = stages()[target]
    assert "USER 10001" in lines
    assert not any(word in " ".join(lines) for word in ("apt-get", "gcc", "build-essential"))


@pytest.mark.parametrize(
    ("target", "imports", "lock"),
    [
        (
            "token-server",
            "import token_server, watch.__main__, jobs.__main__, db.__main__",
            "requirements-web.lock",
        ),
        (
            "agent",
            "import agent.worker.server, agent.durable.drain, speech.server, speech.voice.server",
            "requirements.lock",
        ),
    ],
)
def test_image_contains_everything_its_processes_import(
    target: str, imports: str, lock: str
) -> None:
    tops = loaded(imports, lock)
    ours = {name for name in tops if (ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file()}
    assert ours <= {path.removesuffix(".py") for path in copied(target)}


def test_lock_without_some_packages_keeps_all_others() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    less = without_packages(lock, ["supervisor", "setuptools"])
    names = set(re.findall(r"^([a-z0-9._-]+)==", less, re.MULTILINE))
    assert names == locked("requirements.lock") - {"supervisor", "setuptools"}
    assert without_packages(lock, []) == lock


def test_compose_sets_settings_only() -> None:
    set_here = {
        name for service in COMPOSE["services"].values() for name in service.get("environment", {})
    }
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text()))
    assert set_here | asked <= SETTINGS | OF_OTHER_IMAGES | PASSWORDS
    assert set_here | asked >= SETTINGS - OWN_IN_CONTAINERS


@pytest.mark.parametrize(("service", "process"), PROCESS_OF.items())
def test_service_gets_the_secrets_it_needs_and_no_others(service: str, process: Process) -> None:
    environment = COMPOSE["services"][service]["environment"]
    # migrations need no stored objects
    needed = SECRETS[process] - ({"STORAGE_SECRET"} if process == "db" else set())
    assert set(environment) & secret_names() == needed
    assert environment["BODH_ENV"] == "${BODH_ENV:-production}"
    assert "env_file" not in COMPOSE["services"][service]


def test_each_database_role_has_a_password_of_its_own_and_none_is_a_superuser() -> None:
    roles = COMPOSE["configs"]["roles"]["content"]
    made = re.findall(r"create role bodh_(\w+) login password '\$\{(\w+)\}'", roles)
    assert made == [(name, f"DATABASE_{name.upper()}_PASSWORD") for name, _ in made]
    assert {password for _, password in made} == PASSWORDS
    assert "superuser" not in roles
    used = {
        match
        for service in COMPOSE["services"].values()
        for value in service["environment"].values()
        for match in re.findall(r"//bodh_(\w+):\$\{DATABASE_(\w+)_PASSWORD", str(value))
    }
    assert used == {(name, name.upper()) for name, _ in made}


def test_images_are_pinned_by_digest() -> None:
    images = [s["image"] for s in COMPOSE["services"].values() if "build" not in s]
    images += [line.split()[1] for line in DOCKERFILE.splitlines() if re.match(r"FROM .*:", line)]
    assert len(images) == 3
    assert [
        image for image in images if not re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", image)
    ] == []


def test_images_contain_the_modules_that_compose_runs() -> None:
    built = {name: s for name, s in COMPOSE["services"].items() if "build" in s}
    assert set(built) == set(PROCESS_OF)
    for service in built.values():
        command = shlex.join(service.get("command", []))
        called = {module.split(".")[0] for module in modules_called([command])}
        target = service["build"]["target"]
        assert called <= copied(target)


def test_compose_sets_the_two_rules_of_the_media_server() -> None:
    config = yaml.safe_load(COMPOSE["services"]["livekit"]["environment"]["LIVEKIT_CONFIG"])
    assert config["room"]["auto_create"] is False
    assert config["agents"]["target_load"] == 1.0
