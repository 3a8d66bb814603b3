"""The layers of docs/architecture.md, over the syntax tree and over what is loaded at run time."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = (
    ("token_server",),
    ("agent", "web", "jobs"),
    ("tools", "rooms"),
    ("prompts", "db", "speech"),
    ("telemetry",),
    ("protocol", "settings"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
WITHOUT_AGENTS = (
    "token_server",
    "web.app",
    "jobs.__main__",
    "rooms",
    "db",
    "speech.server",
    "agent.drain",
)


def modules() -> Iterator[tuple[str, Path]]:
    """Every Python file of a layer, with the layer's name."""
    for name in LEVEL:
        if (ROOT / f"{name}.py").exists():
            yield name, ROOT / f"{name}.py"
        for path in sorted((ROOT / name).rglob("*.py")):
            if "node_modules" not in path.parts:
                yield name, path


def imported(path: Path) -> set[str]:
    """Top-level names a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_imports_go_downwards_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {other}"
        for name, path in modules()
        for other in sorted(imported(path) & LEVEL.keys() - {name})
        if LEVEL[other] <= LEVEL[name]
    ]
    assert wrong == []


def test_nothing_imports_scripts_or_tests() -> None:
    wrong = [str(path) for _, path in modules() if imported(path) & {"scripts", "tests", "bench"}]
    assert wrong == []


@pytest.mark.parametrize("module", WITHOUT_AGENTS)
def test_process_never_loads_the_agents_framework(module: str) -> None:
    script = f"import sys, {module}; print('livekit.agents' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"
