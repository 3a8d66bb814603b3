"""Citation marks never reach the voice, wherever a stream is cut."""

import pytest

from agent.text.marks import Mark, MarkFilter

TEXT = "Loss is a number. [[3.2]] It falls [when] we learn.[[4.10]]"
CLEAN = "Loss is a number. It falls [when] we learn."


@pytest.mark.parametrize("size", range(1, 12))
def test_marks_are_removed_from_chunks_of_any_size(size: int) -> None:
    marks = MarkFilter()
    chunks = [TEXT[start : start + size] for start in range(0, len(TEXT), size)]
    clean = "".join(marks.push(chunk) for chunk in chunks) + marks.flush()
    assert clean == CLEAN == marks.text
    assert marks.marks == [Mark(17, 3, 2), Mark(len(CLEAN), 4, 10)]


def test_other_brackets_stay() -> None:
    marks = MarkFilter()
    assert marks.push("a [[list]] of [1.2]") + marks.flush() == "a [[list]] of [1.2]"
