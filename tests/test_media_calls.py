"""No call to the media server while a connection of the pool, or a transaction, waits for it.

While the media server hangs, each such call would keep a connection until none is left.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("agent", "jobs", "rooms", "tools", "watch", "web")
CLIENTS = {"lk", "_lk", "livekit", "_livekit"}  # names of the media server's client
CONNECTIONS = {"tenant_tx", "acquire"}


def nodes_of(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def uses_client(node: ast.AST) -> bool:
    return any(
        (isinstance(one, ast.Name) and one.id in CLIENTS)
        or (isinstance(one, ast.Attribute) and one.attr in CLIENTS)
        for one in ast.walk(node)
    )


def opens_connection(block: ast.AsyncWith) -> bool:
    calls = [item.context_expr for item in block.items]
    names = [call.func for call in calls if isinstance(call, ast.Call)]
    return any(
        (name.id if isinstance(name, ast.Name) else getattr(name, "attr", "")) in CONNECTIONS
        for name in names
    )


def takes_both(function: ast.AsyncFunctionDef) -> bool:
    """Whether it gets a connection and a client, and so could call under the connection."""
    arguments = [*function.args.args, *function.args.kwonlyargs]
    annotations = {ast.unparse(one.annotation) for one in arguments if one.annotation}
    return bool(annotations & {"Connection", "db.Connection"}) and any(
        one.arg in CLIENTS for one in arguments
    )


def find_calls_under_connections(path: Path) -> list[int]:
    """Line numbers."""
    found = []
    for node in nodes_of(path):
        if isinstance(node, ast.AsyncWith) and opens_connection(node):
            found += [part.lineno for part in node.body if uses_client(part)]
        elif isinstance(node, ast.AsyncFunctionDef) and takes_both(node):
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_media_call_runs_under_a_connection(package: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in (ROOT / package).rglob("*.py")
        if "node_modules" not in path.parts
        for line in find_calls_under_connections(path)
    }
    assert found == set()


@pytest.mark.parametrize(
    "code",
    [
        "async def f():\n  async with tenant_tx(pool, t) as db:\n    await close_room(lk, name)",
        "async def f():\n  async with db.acquire(pool) as c:\n    await g(running.lk)",
        "async def f(lk, db: Connection):\n  pass",
    ],
)
def test_each_way_of_calling_under_a_connection_is_found(code: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(code)
    assert len(find_calls_under_connections(tmp_path / "module.py")) == 1
