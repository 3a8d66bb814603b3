"""The page's generated TypeScript is current."""

from pathlib import Path

import pytest

from scripts.client_types import GENERATED


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_generated_types_are_current(path: Path) -> None:
    assert path.read_text() == GENERATED[path](), "run `make types`"
