"""Courses as folders of Markdown. Owns the format described in db/sample/README.md."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

from courses.markdown import PassageText, split_passages
from courses.markdown_file import CourseFileError, MarkdownFile, read_markdown_file
from courses.pictures import PICTURE, SCHEME, Picture, PictureError, read_picture

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
CUE = re.compile(r"((?:\d{1,4}:)?\d\d:\d\d\.\d{3}) +--> +((?:\d{1,4}:)?\d\d:\d\d\.\d{3})( .*)?")
ORDER_PREFIX = re.compile(r"^\d+[-_ ]+")


@dataclass(frozen=True)
class QuestionFile:
    """A quiz question; `answer` counts options from 0, `passage_number` passages from 1."""

    prompt: str
    options: tuple[str, ...]
    answer: int
    why: str
    hint: str
    passage_number: int | None


@dataclass(frozen=True)
class LessonFile:
    """`key` is the path without order numbers and endings: reordering keeps progress."""

    key: str
    title: str
    description: str
    objectives: tuple[str, ...]
    is_published: bool
    duration_s: int | None
    kpoint_video_id: str | None
    youtube_video_id: str | None
    captions_vtt: str | None
    passages: tuple[PassageText, ...]
    quiz: tuple[QuestionFile, ...]


@dataclass(frozen=True)
class ModuleFile:
    key: str
    title: str
    description: str
    is_published: bool
    lessons: tuple[LessonFile, ...]


@dataclass(frozen=True)
class CourseFile:
    course_id: str | None
    slug: str
    title: str
    description: str
    objectives: tuple[str, ...]
    modules: tuple[ModuleFile, ...]
    pictures: tuple[Picture, ...]


class CourseFolderError(Exception):
    """The folder cannot be imported. The message has one error per line."""

    def __init__(self, errors: list[CourseFileError]) -> None:
        self.errors = sorted(set(errors), key=lambda error: (error.path, error.line))
        super().__init__("\n".join(str(error) for error in self.errors))


@dataclass
class _CourseReader:
    folder: Path
    errors: list[CourseFileError] = field(default_factory=list)
    pictures: dict[str, Picture] = field(default_factory=dict)  # by name

    def read_file(self, path: Path) -> MarkdownFile:
        return read_markdown_file(path, str(path.relative_to(self.folder)), self.errors)

    def add_error(self, path: Path, line: int, message: str) -> None:
        self.errors.append(CourseFileError(str(path.relative_to(self.folder)), line, message))


def read_course(folder: Path) -> CourseFile:
    """Reads a course folder. Raises CourseFolderError with every error in it."""
    if not (folder / "course.md").is_file():
        raise CourseFolderError([CourseFileError("course.md", 1, f"missing in {folder}")])
    reader = _CourseReader(folder)
    file = reader.read_file(folder / "course.md")
    modules = tuple(_read_module(reader, path) for path in _list_module_folders(folder))
    _check_unique_keys(reader, folder / "course.md", [module.key for module in modules])
    if not modules:
        reader.add_error(folder / "course.md", 1, "the course has no folder with a module")
    course = CourseFile(
        course_id=file.take_text("courseId") or None,
        slug=file.take_required_text("slug"),
        title=file.take_required_text("title"),
        description=file.body.strip(),
        objectives=file.take_texts("objectives"),
        modules=modules,
        pictures=tuple(reader.pictures.values()),
    )
    if course.slug and not SLUG.fullmatch(course.slug):
        file.add_error("slug", "slug must be lower-case letters, digits and hyphens")
    file.report_unknown_fields()
    if reader.errors:
        raise CourseFolderError(reader.errors)
    return course


def _read_module(reader: _CourseReader, folder: Path) -> ModuleFile:
    key = _without_order_number(folder.name)
    if not (folder / "module.md").is_file():
        reader.add_error(folder / "module.md", 1, "missing")
        return ModuleFile(key, "", "", True, ())
    file = reader.read_file(folder / "module.md")
    paths = sorted(path for path in folder.glob("*.md") if path.name != "module.md")
    lessons = tuple(_read_lesson(reader, path, key) for path in paths)
    _check_unique_keys(reader, folder / "module.md", [lesson.key for lesson in lessons])
    for captions in sorted(folder.glob("*.vtt")):
        if not captions.with_suffix(".md").exists():
            reader.add_error(captions, 1, f"there is no lesson {captions.stem}.md")
    module = ModuleFile(
        key=key,
        title=file.take_required_text("title"),
        description=file.body.strip(),
        is_published=file.take_flag("published", default=True),
        lessons=lessons,
    )
    file.report_unknown_fields()
    return module


def _read_lesson(reader: _CourseReader, path: Path, module_key: str) -> LessonFile:
    file = reader.read_file(path)
    passages = tuple(_collect_pictures(reader, path, file, one) for one in _read_passages(file))
    lesson = LessonFile(
        key=f"{module_key}/{_without_order_number(path.stem)}",
        title=file.take_required_text("title"),
        description=file.take_text("description"),
        objectives=file.take_texts("objectives"),
        is_published=file.take_flag("published", default=True),
        duration_s=file.take_number("duration"),
        kpoint_video_id=file.take_text("kpointVideoId") or None,
        youtube_video_id=file.take_text("youtubeVideoId") or None,
        captions_vtt=_read_captions(reader, path.with_suffix(".vtt")),
        passages=passages,
        quiz=tuple(_read_questions(file, len(passages))),
    )
    file.report_unknown_fields()
    return lesson


def _read_passages(file: MarkdownFile) -> Iterator[PassageText]:
    found = split_passages(file.body)
    for line, message in found.errors:
        file.add_error_at(file.body_line + line, message)
    if not found.passages and not found.errors and file.readable:
        file.add_error_at(file.body_line, "the lesson has no text")
    yield from found.passages


def _collect_pictures(
    reader: _CourseReader, path: Path, file: MarkdownFile, passage: PassageText
) -> PassageText:
    """Replaces picture files in a passage with names, and adds the pictures to the reader."""
    if not passage.pictures:
        return passage

    def report(found: re.Match[str], message: str) -> str:
        line = passage.line + passage.body[: found.start()].count("\n")
        file.add_error_at(file.body_line + line, message)
        return found[0]

    def name_picture(found: re.Match[str]) -> str:
        if not found[1].strip():
            return report(found, "a picture needs words for what it shows: ![words](file)")
        try:
            picture = read_picture(path, found[2], reader.folder)
        except PictureError as problem:
            return report(found, str(problem))
        reader.pictures[picture.name] = picture
        return f"![{found[1]}]({SCHEME}{picture.name})"

    if tuple(unquote(source) for _, source in PICTURE.findall(passage.body)) != passage.pictures:
        file.add_error_at(
            file.body_line + passage.line,
            "write a picture as ![words](file): on one line, without a title, spaces as %20",
        )
        return passage
    return replace(passage, body=PICTURE.sub(name_picture, passage.body))


def _read_questions(file: MarkdownFile, passages: int) -> Iterator[QuestionFile]:
    for item in file.take_items("quiz"):
        options = item.take_texts("options")
        if not 2 <= len(options) <= 8:
            item.add_error("options", "a question needs 2 to 8 options")
        letter = item.take_required_text("answer").upper()
        answer = ord(letter) - ord("A") if len(letter) == 1 else -1
        if letter and not 0 <= answer < len(options):
            item.add_error("answer", "answer must be the letter of an option, A for the first")
        number = item.take_number("passage")
        if number is not None and not 1 <= number <= passages:
            item.add_error("passage", f"the lesson has passages 1 to {passages}")
        yield QuestionFile(
            prompt=item.take_required_text("question"),
            options=options,
            answer=answer,
            why=item.take_text("why"),
            hint=item.take_text("hint"),
            passage_number=number,
        )
        item.report_unknown_fields()


def _read_captions(reader: _CourseReader, path: Path) -> str | None:
    if not path.exists():
        return None
    file = reader.read_file(path)
    lines = file.body.split("\n")
    if not lines[0].startswith("WEBVTT") and file.readable:
        file.add_error_at(1, "captions must begin with WEBVTT")
    last = 0.0
    for number, line in enumerate(lines, start=1):
        if "-->" not in line:
            continue
        match = CUE.fullmatch(line.strip())
        if match is None:
            file.add_error_at(number, "a cue's times must look like 00:01.000 --> 00:04.500")
        elif not last <= _parse_cue_time(match[1]) < _parse_cue_time(match[2]):
            file.add_error_at(
                number, "a cue must end after it starts and must not overlap the one before"
            )
        else:
            last = _parse_cue_time(match[1])
    return file.body


def _parse_cue_time(time: str) -> float:
    seconds = 0.0
    for part in time.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def _list_module_folders(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and path.name != "images" and not path.name.startswith((".", "_"))
    )


def _check_unique_keys(reader: _CourseReader, path: Path, keys: list[str]) -> None:
    for key in {key for key in keys if keys.count(key) > 1}:
        reader.add_error(path, 1, f"two entries have the name {key}")


def _without_order_number(name: str) -> str:
    """The name without its order number: `02-matrices` becomes `matrices`."""
    return ORDER_PREFIX.sub("", name) or name
