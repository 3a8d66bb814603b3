"""What code touches outside its own memory, found in the source: directly, or through what it uses.

Python is followed from function to function by the names of imports, and the page's TypeScript from
file to file. What is behind an object whose type is a protocol or a library's class is in `BEHIND`.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "web" / "client" / "src"

NAMES = {  # whole dotted names
    "files": r"(shutil|tempfile|fcntl)\..*|sqlite3\.(connect|Connection)|zipfile\.ZipFile"
    r"|obstore\.store\..*|os\.(replace|open|fsync|statvfs|chmod|unlink|walk|scandir)"
    r"|fastapi\.responses\.FileResponse",
    "Postgres": r"asyncpg\.connect|db\.(Connection|Pool|tenant_tx|acquire|create_pool)",
    "HTTP": r"aiohttp\.ClientSession|httpx2?\.(AsyncClient|get|post)|urllib\.request\.urlopen"
    r"|openai\.AsyncOpenAI|livekit\.plugins\.openai\..*"
    r"|authlib\.integrations\.httpx_client\..*",
    "sockets": r"socket\.(socket|create_\w+|gethostbyname)"
    r"|asyncio\.(open|start)_(unix_)?(connection|server)|uvicorn\.(run|Server)",
    "LiveKit API": r"livekit\.api\.(\w+Request|RoomParticipantIdentity)",
    "room": r"livekit\.rtc\.(Room|\w*Participant|\w*Track\w*|\w*Stream\w*|AudioSource)(\..*)?"
    r"|livekit\.agents\.(AgentSession|AgentServer|JobContext|JobRequest|cli|room_io)(\..*)?"
    r"|livekit\.agents\.voice\.SpeechHandle",
    "processes": r"(subprocess|psutil|multiprocessing)\..*|asyncio\.create_subprocess_\w+"
    r"|os\.(kill|killpg|fork|exec\w+|waitpid|_exit|setsid)",
    "environment": r"os\.(environ.*|getenv|putenv)",
    "threads": r"threading\..*|asyncio\.to_thread|concurrent\.futures\..*",
    "clock": r"time\.(time|monotonic|perf_counter)(_ns)?|datetime\.datetime\.now",
}
METHODS = {  # of objects whose type the source does not name
    "files": "open read_text write_text read_bytes write_bytes unlink mkdir rmdir iterdir exists"
    " is_file is_dir glob rglob touch chmod symlink_to",
    "Postgres": "fetchrow fetchval executemany",
    "threads": "run_in_executor",
}
EFFECT_OF_METHOD = {name: effect for effect, names in METHODS.items() for name in names.split()}
NO_EFFECT = re.compile(r".*(Error|Exception|Expired|DEVNULL|PIPE|STDOUT)")
BEHIND = {
    "courses.library.Library": "db.library.PostgresLibrary",
    "livekit.agents.AgentSession": "agent.models.choice.build_models",
    "tools.desk.Talk": "agent.room.lessons.Lessons",
}
UNCOUNTED = {"telemetry", "prompts"}  # any code may log, count, raise alarms and render texts
PAGE_NAMES = {
    "HTTP": r"\bfetch\(",
    "room": r"from 'livekit-client'",
    "microphone": r"createLocalAudioTrack|setMicrophoneEnabled|navigator\.permissions",
    "document": r"\bdocument\.|getComputedStyle|matchMedia|requestAnimationFrame|\.focus\(",
    "address": r"window\.(location|history)",
    "storage": r"localStorage|sessionStorage",
    "clipboard": r"navigator\.clipboard",
    "timers": r"set(Timeout|Interval)\(",
}
PAGE_IMPORT = re.compile(
    r"(?:^(?:import|export)(?! type)[^;]*?from|import\()\s*'(\.[^']+)'", re.MULTILINE
)


@dataclass
class Part:
    """A function or class of a file, or with an empty name the file's other statements."""

    effects: dict[str, str] = field(default_factory=dict)  # effect -> the first line that has it
    uses: set[str] = field(default_factory=set)  # dotted names


@cache
def parts_of_python() -> Mapping[str, Mapping[str, Part]]:
    """Parts by name, of all files by dotted name of the module."""
    return {module_name(path): dict(_parts(path)) for path in python_files()}


def python_files() -> Iterator[Path]:
    for path in sorted(ROOT.glob("[a-z]*/**/*.py")):
        if not {"tests", "bench", "node_modules"} & {*path.relative_to(ROOT).parts}:
            yield path
    yield from (ROOT / "token_server.py", ROOT / "errors.py")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _parts(path: Path) -> Iterator[tuple[str, Part]]:
    tree, module = ast.parse(path.read_text()), module_name(path)
    names = {**_own_names(tree, module), **_imported_names(tree)}
    rest = Part()
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            part = Part()
            _add_effects(part, statement, names, path)
            yield statement.name, part
        else:
            _add_effects(rest, statement, names, path)
    yield "", rest


def _own_names(tree: ast.Module, module: str) -> dict[str, str]:
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {one.name: f"{module}.{one.name}" for one in tree.body if isinstance(one, definitions)}


def _imported_names(tree: ast.Module) -> dict[str, str]:
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                name = one.name if one.asname else one.name.split(".")[0]
                names[one.asname or name] = name
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return names


def _add_effects(part: Part, statement: ast.stmt, names: Mapping[str, str], path: Path) -> None:
    for node in ast.walk(statement):
        effect = None
        if name := _dotted_name(node):
            first, dot, rest = name.partition(".")
            full = names.get(first, first) + dot + rest
            part.uses.add(full)
            effect = _effect_of_name(full)
        if isinstance(node, ast.Call):
            effect = EFFECT_OF_METHOD.get(_last_word(node.func), effect)
        if effect:
            line = f"{path.relative_to(ROOT)}:{node.lineno}"  # type: ignore[attr-defined]
            part.effects.setdefault(effect, line)


def _dotted_name(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (inner := _dotted_name(node.value)):
        return f"{inner}.{node.attr}"
    return ""


def _last_word(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


@cache
def _effect_of_name(name: str) -> str | None:
    if NO_EFFECT.fullmatch(name):
        return None
    return next((one for one, names in NAMES.items() if re.fullmatch(names, name)), None)


def own_effects(module: str) -> dict[str, str]:
    """What the statements of a file touch, with a line that does."""
    found: dict[str, str] = {}
    for part in parts_of_python()[module].values():
        found = part.effects | found
    return found


def reached_effects(module: str) -> dict[str, str]:
    """What a file touches itself or through other files, with a line that does."""
    todo = [(module, name) for name in parts_of_python()[module]]
    found: dict[str, str] = {}
    seen = set(todo)
    while todo:
        of, name = todo.pop()
        part = parts_of_python()[of][name]
        found = part.effects | found
        used = {place for use in part.uses if (place := _place_of(BEHIND.get(use, use)))}
        todo += used - seen
        seen |= used
    return found


@cache
def _place_of(name: str) -> tuple[str, str] | None:
    """The file and part of Bodh that a dotted name leads to, also if it is imported on the way."""
    words = name.split(".")
    if words[0] in UNCOUNTED:
        return None
    for length in range(len(words) - 1, 0, -1):
        module = ".".join(words[:length])
        if module in parts_of_python():
            if words[length] in parts_of_python()[module]:
                return module, words[length]
            onwards = passed_on(module).get(words[length])
            return _place_of(onwards) if onwards and onwards != name else None
    return None


@cache
def passed_on(module: str) -> Mapping[str, str]:
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return _imported_names(ast.parse(file.read_text()))


def page_files() -> list[Path]:
    return sorted({*PAGE.rglob("*.ts*")} - {PAGE / "openapi.ts", PAGE / "protocol.ts"})


def own_page_effects(path: Path) -> dict[str, str]:
    code = _without_comments(path)
    return {
        effect: f"{path.relative_to(ROOT)} ({found[0]})"
        for effect, names in PAGE_NAMES.items()
        if (found := re.search(names, code))
    }


def reached_page_effects(path: Path) -> dict[str, str]:
    todo, found, seen = [path], dict[str, str](), {path}
    while todo:
        file = todo.pop()
        found = own_page_effects(file) | found
        imported = {*_imported_page_files(file)} - seen
        todo += imported
        seen |= imported
    return found


@cache
def _without_comments(path: Path) -> str:
    return re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", path.read_text(), flags=re.DOTALL)


def _imported_page_files(path: Path) -> Iterator[Path]:
    """Of which the file uses more than types."""
    for name in PAGE_IMPORT.findall(_without_comments(path)):
        for ending in (".ts", ".tsx"):
            if (file := (path.parent / (name + ending)).resolve()).exists():
                yield file
