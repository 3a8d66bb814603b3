"""One file of a course: YAML front matter with line numbers, then text."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from courses.one_line import is_one_line, one_line


@dataclass(frozen=True)
class CourseFileError:
    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass
class MappingReader:
    """A mapping in the front matter. Reading a field checks it.

    Scalars are text as written: `options: [4, yes]` gives "4" and "yes".
    """

    path: str
    line: int
    nodes: dict[str, yaml.Node]
    lines: dict[str, int]
    errors: list[CourseFileError]
    offset: int = 2  # the line of the file where the YAML text begins
    taken: set[str] = field(default_factory=set)

    def take_text(self, name: str) -> str:
        node = self._take_node(name)
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode):
            self.add_error(name, f"{name} must be text")
            return ""
        return self._check_one_line(name, node)

    def take_required_text(self, name: str) -> str:
        value = self.take_text(name)
        if not value and isinstance(self._take_node(name), yaml.ScalarNode | None):
            self.add_error(name, f"{name} is missing")
        return value

    def take_texts(self, name: str) -> tuple[str, ...]:
        node = self._take_node(name)
        if node is None:
            return ()
        items = node.value if isinstance(node, yaml.SequenceNode) else []
        values = [one for one in items if isinstance(one, yaml.ScalarNode) and one.value]
        if not isinstance(node, yaml.SequenceNode) or len(values) < len(items):
            self.add_error(
                name, f"{name} must be a list of texts (quote a text that contains ': ')"
            )
            return ()
        return tuple(self._check_one_line(name, value) for value in values)

    def take_flag(self, name: str, *, default: bool) -> bool:
        value = self.take_text(name).lower()
        if value not in ("", "true", "false"):
            self.add_error(name, f"{name} must be true or false")
        return default if value == "" else value == "true"

    def take_number(self, name: str) -> int | None:
        """A whole number of at least 1; None if the field is missing."""
        value = self.take_text(name)
        if value and not (value.isascii() and value.isdigit() and 0 < int(value) < 2**31):
            self.add_error(name, f"{name} must be a whole number of at least 1")
            return None
        return int(value) if value else None

    def take_items(self, name: str) -> Iterator["MappingReader"]:
        node = self._take_node(name)
        if node is None:
            return
        for item in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(item, yaml.MappingNode):
                yield _read_mapping(self.path, item, self.offset, self.errors)
            else:
                self.add_error(name, f"{name} must be a list of mappings")

    def add_error(self, name: str, message: str) -> None:
        self.add_error_at(self.lines.get(name, self.line), message)

    def add_error_at(self, line: int, message: str) -> None:
        self.errors.append(CourseFileError(self.path, line, message))

    def report_unknown_fields(self) -> None:
        """Reports fields that the format does not have, usually misspelled ones."""
        for name in self.nodes.keys() - self.taken:
            self.add_error(name, f"unknown field {name}")

    def _check_one_line(self, name: str, node: yaml.ScalarNode) -> str:
        value = str(node.value).strip()
        if not is_one_line(value):
            self.add_error(
                name, f"{name} must be one line, without control or invisible characters"
            )
        return one_line(value)

    def _take_node(self, name: str) -> yaml.Node | None:
        self.taken.add(name)
        return self.nodes.get(name)


@dataclass
class MarkdownFile(MappingReader):
    body: str = ""
    body_line: int = 1
    readable: bool = True


def read_markdown_file(path: Path, name: str, errors: list[CourseFileError]) -> MarkdownFile:
    """Reads a file. `name` is its path in error messages; an unreadable file adds an error."""
    file = MarkdownFile(name, 1, {}, {}, errors)
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        file.add_error_at(raw[: error.start].count(b"\n") + 1, "not UTF-8 text")
        file.readable = False
        return file
    if "\0" in text:
        file.add_error_at(text[: text.index("\0")].count("\n") + 1, "a NUL character")
    if path.suffix != ".md":
        file.body = text
        return file
    return _split_front_matter(file, text)


def _split_front_matter(file: MarkdownFile, text: str) -> MarkdownFile:
    lines = text.split("\n")
    ends = [n for n, line in enumerate(lines) if n > 0 and line.rstrip() == "---"]
    if lines[0].rstrip() != "---" or not ends:
        file.add_error_at(1, "the file must begin with front matter between two lines of ---")
        file.readable = False
        return file
    file.body_line = ends[0] + 2
    file.body = "\n".join(lines[ends[0] + 1 :])
    try:
        node = yaml.compose("\n".join(lines[1 : ends[0]]), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        file.add_error_at(file.offset + (mark.line if mark else 0), f"not YAML: {error.problem}")
        file.nodes, file.readable = {}, False
        return file
    if not isinstance(node, yaml.MappingNode):
        file.add_error_at(2, "the front matter must be lines of `name: value`")
        file.readable = False
        return file
    fields = _read_mapping(file.path, node, file.offset, file.errors)
    file.nodes, file.lines = fields.nodes, fields.lines
    return file


def _read_mapping(
    path: str, node: yaml.MappingNode, offset: int, errors: list[CourseFileError]
) -> MappingReader:
    nodes: dict[str, yaml.Node] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        name = str(key.value)
        line = offset + key.start_mark.line
        if name in nodes:
            errors.append(CourseFileError(path, line, f"{name} is given twice"))
        nodes[name], lines[name] = value, line
    return MappingReader(path, offset + node.start_mark.line, nodes, lines, errors, offset)
