"""The authored texts: their format, strict filling, their use, and what a greeting says."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import prompts
from prompts import PromptError, read_texts, render
from protocol import SessionType
from settings import ModelKind

ROOT = Path(__file__).parents[2]
GREETINGS = ("course_welcome", "course_welcome_back", "lesson_welcome", "lesson_welcome_back")


def greet(name: str, previous: str | None = "Data and vectors") -> str:
    return render(
        name,
        learner="Amina",
        course="Machine learning",
        number=3,
        lesson="Models and loss",
        previous=previous,
    )


@pytest.mark.parametrize("name", prompts.text_names())
def test_unknown_value_raises(name: str) -> None:
    with pytest.raises(PromptError, match="nonsense"):
        render(name, nonsense=1)


def test_a_missing_value_raises() -> None:
    with pytest.raises(PromptError, match="title"):
        render("lesson_changed", number=2)


def test_none_outside_an_optional_part_raises() -> None:
    with pytest.raises(PromptError, match="title"):
        render("lesson_changed", number=2, title=None)


def test_an_unknown_text_raises() -> None:
    with pytest.raises(PromptError):
        render("no_such_text")


def test_a_value_is_never_read_as_a_template() -> None:
    text = render("back_again", learner="{lesson} [?x?]", lesson="Data")
    assert text == "I am back, {lesson} [?x?]. We were in Data: please go on."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("values: a\n---\nHello {a}.", "there is no heading"),
        ("## Hello\nHello.", "is not `name: value, value`"),
        ("## hello: a b\nHello {a}.", "is not `name: value, value`"),
        ("## hello\nHello {a}.", "does not name its values"),
        ("## hello\n\n## bye\nBye.", "hello is empty"),
        ("## hello\nHello.\n\n## hello\nHello again.", "hello is empty, given twice"),
    ],
)
def test_malformed_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "texts.md"
    path.write_text(text)
    with pytest.raises(PromptError, match=message):
        read_texts(path)


def test_texts_of_a_file_are_read_by_their_headings(tmp_path: Path) -> None:
    path = tmp_path / "texts.md"
    path.write_text("# A note\n\n## hello: a, b\nHello {a}.\n{b}\n\n## bye\n\nBye.\n")
    assert read_texts(path) == {
        "hello": (frozenset({"a", "b"}), "Hello {a}.\n{b}"),
        "bye": (frozenset(), "Bye."),
    }


def test_every_text_is_used_and_every_used_text_exists() -> None:
    used = {name for path in sources() for name in used_texts(ast.parse(path.read_text()))}
    used |= {*get_args(SessionType), *(f"consent_provider_{kind}" for kind in get_args(ModelKind))}
    assert sorted(used) == prompts.text_names()


def sources() -> Iterator[Path]:
    """The modules that use the texts."""
    for folder in ("agent", "db", "tools"):
        yield from (ROOT / folder).rglob("*.py")


def used_texts(tree: ast.Module) -> Iterator[str]:
    """What `render`, `SayText` and `HelpStuck` are called with: a text, one of two, or a name."""
    values = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            if called in ("render", "SayText", "HelpStuck"):
                yield from constants(values.get(getattr(first, "id", ""), first))


def constants(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp():
            yield from constants(node.body)
            yield from constants(node.orelse)


@pytest.mark.parametrize("name", GREETINGS)
def test_a_greeting_names_learner_lesson_number_and_the_lesson_before(name: str) -> None:
    text = greet(name)
    assert [
        part in text for part in ("Amina", "lesson 3, Models and loss", "Data and vectors")
    ] == [True] * 3


@pytest.mark.parametrize("name", GREETINGS)
def test_a_greeting_is_two_sentences_and_ends_with_an_invitation(name: str) -> None:
    text = greet(name, previous=None)
    assert (text.count("."), text[-1], "None" in text) == (1, "?", False)


def test_the_four_greetings_differ() -> None:
    assert len({greet(name) for name in GREETINGS}) == 4


def test_greeting_without_a_lesson_is_a_complete_sentence() -> None:
    text = render(
        "lesson_welcome", learner="Amina", course="X", number=None, lesson=None, previous=None
    )
    assert text.startswith("Hello Amina. Shall we")


def test_the_change_of_lesson_is_one_line() -> None:
    assert render("lesson_changed", number=2, title="Data") == "Now we are in lesson 2, Data."


def test_title_that_ends_a_sentence_gets_no_second_full_stop() -> None:
    text = render("lesson_changed", number=1, title="What is machine learning?")
    assert text == "Now we are in lesson 1, What is machine learning?"
