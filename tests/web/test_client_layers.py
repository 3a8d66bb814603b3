"""The folders of the page import downwards only, so every room can reuse what is below it."""

import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "web" / "client" / "src"
LAYERS = (
    ("pages",),
    ("talk",),
    ("debug", "lesson", "transcripts"),
    ("rtc", "account"),
    ("parts",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
WITHOUT_LAYER = {"styles"}


def imports() -> Iterator[tuple[Path, str]]:
    """Every file in a folder, with each other folder it imports."""
    for path in sorted(SOURCE.glob("*/*.ts*")):
        folders = re.findall(r"(?:from|import\()\s*'\.\./(\w+)/", path.read_text())
        yield from ((path, folder) for folder in sorted({*folders} - {path.parent.name}))


def test_folders_import_downwards_only() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)} imports {folder}"
        for path, folder in imports()
        if LEVEL[folder] <= LEVEL[path.parent.name]
    ]
    assert wrong == []


def test_every_folder_has_a_layer() -> None:
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir()}
    assert folders == LEVEL.keys() | WITHOUT_LAYER
