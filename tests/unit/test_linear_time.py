"""Text that a learner or an author chose takes linear time, whatever it is.

A regular expression that takes more than linear time lets two typed lines stop the tutor of a whole
room. Growth is measured in CPU time, which a busy machine does not change.
"""

import importlib
import inspect
import pkgutil
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agent.offline
import agent.text
import courses
import tools
from agent.text.marks import MarkFilter
from tests.soak import SOAK

pytestmark = pytest.mark.slow

PACKAGES = (agent.text, agent.offline, tools, courses)
# read files, and run the parsers of others, only when an operator imports a course
AT_IMPORT = {"courses.folder", "courses.formulas", "courses.markdown", "courses.markdown_file"}
SIZES = (160, 2_500)  # exponential work shows at 160 characters, all other at 2,500
LONGEST = 10_000
MOST_GROWTH = 9.0  # for four times the text; linear is 4, quadratic 16
TRIES = 5
ENDS = ("", "!x\n")
# what the rules look for, alone and in parts
PARTS = (
    *("a", "1", "A", "é", " ", "\n", "\t", "(", ")", "[", "]", "{", "}", "$", "`", "*", "_", "|"),
    *("\\", "^", "<", ">", "#", "~", "-", "–", ".", "/", ":", ",", "'", '"', "!", "&", "@", "="),  # noqa: RUF001
    *("+", "%", "x", "§", "•", "…", "。", "€", "½", "²", "α", "\u200d", "\u0301"),  # noqa: RUF001
    *("a ", "1 ", "a\n", " |", "|\n", "| |", "|a", "|a|\n", "\t|", "- ", "-a", "> ", "# ", "a #"),
    *("a(", "(a", "(a)", ")a", "(a)a", "a (", "()", "(,", "f(a", "f(a,", "'(", "'(')", "a'"),
    *("**a ", "*a ", "_a ", "~~a ", "**a", "a**", "$a ", "$a", "`a", "$$", "$1 ", "$1,", "$a. "),
    *("\\(", "\\[", "\\a", "\\a{", "\\a{}", "a_", "a_{", "a_{}", "a_a", "a^", "a^(", "a^{", "}{"),
    *("\\frac", "\\frac{", "\\sqrt[", "\\left(", "\\begin{", "\\begin{a}", "\\vec", "\\.", "\\ "),
    *("[a](", "[a](b", '[a](b "', "![a", "[[1", "[[1.1]]", "<a", "<!--", "&amp;", "```", "```\n"),
    *("http://a", "http://a/", "www.a", "a@", "a.", "a@a.", "A.", "A) ", "1) ", "1:", "1-", "1,"),
    *("1.", "1/", "1x", "1 x ", "1e", "1 km", "etc. ", "e.g. ", "et al.", "fig. ", "vs", "~1"),
    *(". ", ".)", "? ", "...", "a. ", "1. ", "\n1.", "\n- ", "what ", "the answer is ", "so "),
    *("lesson ", "can you ", "please ", "it's ", "-a-", "->", "==", "a = ", " — ", "-\t", "° "),
)  # fmt: skip


def modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        yield package
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)


def patterns_in(value: Any) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        yield value
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from patterns_in(one)
    elif isinstance(value, dict):
        yield from patterns_in([*value.values()])


def find_all(pattern: re.Pattern[str], text: str) -> None:
    deque(pattern.finditer(text), maxlen=0)


def takes_a_text(function: Any) -> bool:
    """Whether it can be called with one text and nothing else."""
    parameters = [*inspect.signature(function).parameters.values()]
    needed = [one for one in parameters if one.default is inspect.Parameter.empty]
    return (
        bool(needed)
        and needed == parameters[:1]
        and needed[0].annotation is str
        and not inspect.iscoroutinefunction(function)
    )


def filter_marks(text: str) -> None:
    marks = MarkFilter()
    for at in range(0, len(text), 7):
        marks.push(text[at : at + 7])
    marks.flush()


def work_on_text() -> dict[str, Callable[[str], Any]]:
    """Every pattern and every function of one text in PACKAGES, by name."""
    work: dict[str, Callable[[str], Any]] = {"agent.text.marks.MarkFilter": filter_marks}
    for module in modules():
        for name, value in vars(module).items():
            for pattern in patterns_in(value):
                work.setdefault(f"pattern {pattern.pattern}", partial(find_all, pattern))
            if (
                inspect.isfunction(value)
                and value.__module__ == module.__name__
                and module.__name__ not in AT_IMPORT
                and takes_a_text(value)
            ):
                work[f"{module.__name__}.{name}"] = value
    return work


WORK = work_on_text()


def cpu_s(work: Callable[[str], Any], text: str) -> float:
    began = time.thread_time()
    work(text)
    return time.thread_time() - began


def repeated(part: str, size: int, end: str) -> str:
    return (part * (size // len(part) + 1))[:size] + end


def grows_too_fast(
    work: Callable[[str], Any], part: str, end: str, unit_s: float, sizes: tuple[int, ...] = SIZES
) -> bool:
    """Compares each size with a quarter of it, the shortest first."""
    return any(
        all(_grew(work, repeated(part, n // 4, end), repeated(part, n, end), unit_s)
            for _ in range(TRIES))
        for n in sizes
    )  # fmt: skip


def _grew(work: Callable[[str], Any], short: str, long: str, unit_s: float) -> bool:
    long_s = cpu_s(work, long)
    return long_s > unit_s and long_s > MOST_GROWTH * cpu_s(work, short)


@pytest.fixture(scope="module")
def unit_s() -> float:
    """CPU time that is too short to measure growth: of a few simple searches in a long text."""
    search = partial(find_all, re.compile(r"[a-z]+\d"))
    return 4 * min(cpu_s(search, "ab " * (LONGEST // 3)) for _ in range(TRIES))


def too_fast(part: str, end: str, unit_s: float, sizes: tuple[int, ...] = SIZES) -> list[str]:
    return [name for name, work in WORK.items() if grows_too_fast(work, part, end, unit_s, sizes)]


def test_the_patterns_and_functions_are_found() -> None:
    assert {
        "agent.text.speakable.speakable",
        "agent.text.spoken_math.spoken_formula",
        "agent.offline.intents.understand_intent",
        "courses.sentences.split_sentences",
        "courses.lexemes.normalise",
        "tools.quiz.strip_lead_in",
        r"pattern (?<=\d)\s?%",
    } <= WORK.keys()
    assert len(WORK) > 150


@pytest.mark.parametrize("end", ENDS)
def test_no_text_of_one_repeated_part_takes_more_than_linear_time(end: str, unit_s: float) -> None:
    assert {part: slow for part in PARTS if (slow := too_fast(part, end, unit_s))} == {}


@given(st.lists(st.sampled_from(PARTS), min_size=2, max_size=4), st.sampled_from(ENDS))
@settings(max_examples=2_000 if SOAK else 25, deadline=None)
def test_no_text_of_several_repeated_parts_takes_more_than_linear_time(
    unit_s: float, parts: list[str], end: str
) -> None:
    assert too_fast("".join(parts), end, unit_s, (*SIZES, LONGEST)) == []


def test_a_quadratic_and_a_cubic_pattern_are_found(unit_s: float) -> None:
    for pattern in (r"\(.*?\)x", r"a*b?a*b?a*c"):
        found = partial(find_all, re.compile(pattern))
        assert grows_too_fast(found, "(a", "", unit_s) or grows_too_fast(found, "a", "", unit_s)
