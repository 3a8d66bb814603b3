"""The layers of docs/architecture.md, checked in the source and in what is loaded at run time.

Also what code in each place may touch, by the tables of the same document.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.allowed_effects import (
    NOTHING,
    Code,
    Row,
    allows,
    effects_through_others,
    list_code,
    patterns_without_file,
    read_tables,
)

ROOT = Path(__file__).parent.parent
LAYERS = (
    ("token_server",),
    ("agent", "web", "jobs", "watch"),
    ("tools", "rooms"),
    ("db", "speech"),
    ("prompts",),
    ("courses",),
    ("telemetry",),
    ("errors", "protocol", "settings"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
AGENT_LAYERS = (
    ("__main__",),
    ("worker",),
    ("console", "job"),
    ("talk",),
    ("durable",),
    ("room",),
    ("models",),
    ("offline", "text", "livekit_private"),
)
SUPPORT = {"scripts", "harness", "tests", "bench"}  # never imported by a process of Bodh
WITHOUT_AGENTS = (
    "token_server",
    "web.app",
    "watch.__main__",
    "jobs.__main__",
    "rooms",
    "db.__main__",
    "courses.memory",
    "speech.server",
    "agent.durable.drain",
)


def modules() -> Iterator[tuple[str, Path]]:
    """Yields each Python file of a layer, with the layer's name."""
    for name in LEVEL:
        if (ROOT / f"{name}.py").exists():
            yield name, ROOT / f"{name}.py"
        for path in sorted((ROOT / name).rglob("*.py")):
            if path == ROOT / "settings" / "__main__.py":
                yield "token_server", path  # an entry point, which asks the database as well
            elif "node_modules" not in path.parts:
                yield name, path


@cache
def imported_modules(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imported(path: Path) -> set[str]:
    """Top-level names a file imports, anywhere in it."""
    return {name.split(".")[0] for name in imported_modules(path)}


def agent_modules() -> Iterator[tuple[str, Path]]:
    """Every Python file of agent/, with its folder's name, or its own directly in agent/."""
    for path in sorted((ROOT / "agent").rglob("*.py")):
        place = path.relative_to(ROOT / "agent").parts
        if place != ("__init__.py",):
            yield place[0].removesuffix(".py"), path


@pytest.fixture(scope="module")
def code() -> list[Code]:
    return [*list_code()]


@pytest.fixture(scope="module")
def tables() -> dict[str, Row]:
    return read_tables()


def test_imports_go_downwards_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {other}"
        for name, path in modules()
        for other in sorted(imported(path) & LEVEL.keys() - {name})
        if LEVEL[other] <= LEVEL[name]
    ]
    assert wrong == []


def test_folders_of_the_agent_import_downwards_only() -> None:
    level = {name: number for number, names in enumerate(AGENT_LAYERS) for name in names}
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for folder, path in agent_modules()
        for module in sorted(imported_modules(path))
        if module.startswith("agent.") and (other := module.split(".")[1]) != folder
        if level[other] <= level[folder]
    ]
    assert wrong == []


def test_every_folder_of_the_agent_has_a_layer() -> None:
    placed = {name for names in AGENT_LAYERS for name in names}
    assert {folder for folder, _ in agent_modules()} == placed


def test_private_parts_of_livekit_are_imported_in_one_module_only() -> None:
    importing = {
        str(path.relative_to(ROOT))
        for _, path in modules()
        for module in imported_modules(path)
        if module.startswith("livekit.") and any(part[0] == "_" for part in module.split("."))
    }
    assert importing == {"agent/livekit_private.py"}


def test_gpl_code_is_loaded_by_the_process_of_the_voice_only() -> None:
    importing = {
        str(path.relative_to(ROOT))
        for _, path in modules()
        if imported(path) & {"piper", "onnx", "onnxruntime"}
    }
    users = {
        str(path.relative_to(ROOT))
        for _, path in modules()
        if "speech.voice.synthesiser" in imported_modules(path)
    }
    assert importing == {"speech/voice/synthesiser.py"}
    served = ("queue", "server", "speaker")
    assert users == {f"speech/voice/{name}.py" for name in served}
    loading = {f"speech.voice.{name}" for name in served}
    outside = [
        f"{path.relative_to(ROOT)} imports {module}"
        for _, path in modules()
        for module in sorted(imported_modules(path))
        if module in loading and "voice" not in path.parts
    ]
    assert outside == []


def test_no_process_imports_code_for_tests_or_set_up() -> None:
    wrong = [str(path) for _, path in modules() if imported(path) & SUPPORT]
    assert wrong == []


def test_harness_imports_no_test() -> None:
    harness = sorted((ROOT / "harness").rglob("*.py"))
    assert [str(path) for path in harness if imported(path) & {"tests", "bench"}] == []


def test_no_process_but_the_worker_loads_the_agents_framework() -> None:
    script = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    if "livekit.agents" in sys.modules:
        sys.exit(f"{name} imports livekit.agents")
"""
    answer = subprocess.run(
        [sys.executable, "-c", script, *WITHOUT_AGENTS], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert (answer.returncode, answer.stderr) == (0, "")


def test_code_touches_only_what_its_place_may(code: list[Code], tables: dict[str, Row]) -> None:
    wrong = [
        f"{line}: {file.place} may not touch {effect} there, by docs/architecture.md"
        for file in code
        for effect, line in file.own.items()
        if not allows(tables.get(file.place, NOTHING).itself, effect, file.name)
    ]
    assert wrong == []


def test_code_reaches_only_what_its_place_may(code: list[Code], tables: dict[str, Row]) -> None:
    wrong = [
        f"{file.place} reaches {effect} from {file.name}, in {line}: not by docs/architecture.md"
        for file in code
        if (through := (row := tables.get(file.place, NOTHING)).through) is not None
        for effect, line in effects_through_others(file, row).items()
        if not allows(through, effect, file.name)
    ]
    assert wrong == []


def test_tables_allow_nothing_that_no_file_needs(code: list[Code], tables: dict[str, Row]) -> None:
    own = [(file.place, file.name, effect) for file in code for effect in file.own]
    reached = [
        (file.place, file.name, effect)
        for file in code
        for effect in effects_through_others(file, tables.get(file.place, NOTHING))
    ]
    stale = [
        line
        for place, row in tables.items()
        for allowed, found in ((row.itself, own), (row.through or {}, reached))
        for line in patterns_without_file(place, allowed, found)
    ]
    assert stale == []
