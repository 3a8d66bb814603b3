"""Splits Markdown into passages. Owns what counts as one passage of a lesson."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

from courses.course import PassageKind
from courses.formulas import FormulaError, to_mathml
from courses.one_line import one_line

KINDS: dict[str, PassageKind] = {"fence": "code", "code_block": "code", "formula": "formula"}
SKIPPED = ("hr", "html_block", "heading_open")


@dataclass(frozen=True)
class PassageText:
    """One passage; `body` is its Markdown. Only a formula has `mathml`.

    `line` is its first line in the file, from 0. `pictures` are the paths in its image links.
    """

    kind: PassageKind
    heading: str
    body: str
    mathml: str | None = None
    line: int = 0
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Passages:
    passages: list[PassageText]
    errors: list[tuple[int, str]]


def split_passages(text: str) -> Passages:
    """Every paragraph, list, table, quotation, code block and `$$` formula is a passage.

    A heading names the passages after it. Comments and horizontal rules are skipped.
    """
    lines = text.split("\n")
    found = Passages([], [])
    heading = ""
    tokens = _make_parser().parse(text)
    for index, token in enumerate(tokens):
        if token.level != 0 or token.map is None:
            continue
        if token.type == "heading_open":
            heading = one_line(tokens[index + 1].content)
        if token.type in SKIPPED:
            continue
        body = "\n".join(lines[token.map[0] : token.map[1]]).strip("\n").rstrip()
        if _is_unclosed_block(token, body):
            found.errors.append((token.map[0], f"{token.markup or '$$'} is never closed"))
            continue
        try:
            mathml = to_mathml(body.strip().strip("$")) if token.type == "formula" else None
        except FormulaError as error:
            found.errors.append((token.map[0], str(error)))
            continue
        kind = KINDS.get(token.type, "text")
        pictures = tuple(_picture_sources(tokens[index:]))
        found.passages.append(PassageText(kind, heading, body, mathml, token.map[0], pictures))
    return found


def _picture_sources(tokens: Sequence[Token]) -> Iterator[str]:
    """Sources of the pictures in the block that the first token opens."""
    depth = 0
    for token in tokens:
        depth += token.nesting
        for child in token.children or ():
            if child.type == "image":
                yield unquote(str(child.attrGet("src")))
        if depth == 0:
            return


def _is_unclosed_block(token: Token, body: str) -> bool:
    if token.type == "fence":
        return "\n" not in body or not body.rsplit("\n", 1)[1].strip().startswith(token.markup)
    return token.type == "paragraph_open" and body.startswith("$$")


def _make_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    parser.block.ruler.before(
        "fence", "formula", _parse_formula_block, {"alt": ["paragraph", "list"]}
    )
    return parser


def _parse_formula_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Block rule: a formula runs from a line that starts with $$ to one that ends with $$."""
    for line in range(start, end):
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()
        if line == start and not text.startswith("$$"):
            return False
        if text.endswith("$$") and (line > start or len(text) > 3):
            if not silent:
                state.line = line + 1
                state.push("formula", "", 0).map = [start, line + 1]
            return True
    return False
