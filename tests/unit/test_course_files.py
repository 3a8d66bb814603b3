"""Course folders: what is read, and that every error names file and line."""

import shutil
from pathlib import Path

import pytest

from courses.folder import CourseFolderError, read_course
from courses.markdown import split_passages

TINY = Path(__file__).parent.parent / "db" / "tiny"
APPLES = "01-start/01-apples.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tiny course, to break."""
    return Path(shutil.copytree(TINY, tmp_path / "course"))


def errors(folder: Path) -> list[str]:
    with pytest.raises(CourseFolderError) as caught:
        read_course(folder)
    return [str(error) for error in caught.value.errors]


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_a_course_is_read_in_the_order_of_its_file_names() -> None:
    course = read_course(TINY)
    assert [module.title for module in course.modules] == ["The start", "More"]
    apples, draft = course.modules[0].lessons
    assert (course.course_id, course.slug, course.objectives) == (
        "tiny",
        "tiny-course",
        ("See how courses are written",),
    )
    assert (apples.title, apples.duration_s, apples.kpoint_video_id) == ("Apples", 90, "gcc-1")
    assert (apples.key, apples.is_published, draft.is_published) == ("start/apples", True, False)
    assert apples.captions_vtt is not None
    assert apples.captions_vtt.startswith("WEBVTT")


def test_paragraphs_lists_code_and_formulas_are_passages_under_their_heading() -> None:
    apples = read_course(TINY).modules[0].lessons[0]
    assert [(p.kind, p.heading, p.body) for p in apples.passages] == [
        ("text", "The fruit", "A ripe apple is red."),
        ("text", "The fruit", "- one\n- two"),
        ("code", "Its seeds", "```python\nseeds = 5\n\nprint(seeds)\n```"),
        ("formula", "Its seeds", "$$\ns = 5\n$$"),
    ]


def test_a_formula_is_kept_as_mathml_too() -> None:
    *others, formula = read_course(TINY).modules[0].lessons[0].passages
    assert [passage.mathml for passage in others] == [None, None, None]
    assert formula.mathml is not None
    assert "<mi>s</mi><mo>=</mo><mn>5</mn>" in formula.mathml


def test_options_are_texts_as_written_and_the_answer_counts_from_0() -> None:
    first, second = read_course(TINY).modules[0].lessons[0].quiz
    assert (first.options, first.answer, first.passage_number) == (("Blue", "Red", "7"), 1, 1)
    assert (second.options, second.answer, second.hint) == (("2", "5"), 1, "")


def test_renumbered_lesson_keeps_its_key() -> None:
    assert read_course(TINY).modules[1].lessons[0].key == "more/bananas"


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        (
            "course.md",
            "slug: tiny-course",
            "slug: Tiny Course",
            "3: slug must be lower-case",
        ),
        ("course.md", "slug: tiny-course\n", "", "1: slug is missing"),
        ("course.md", "title: A", "titel: A", "4: unknown field titel"),
        ("course.md", "[See how courses are written]", "See", "5: objectives must be a list"),
        ("course.md", "title: A tiny course", "title: [", "5: not YAML"),
        ("course.md", "---\ncourseId", "courseId", "1: the file must begin with front matter"),
        (APPLES, "duration: 90", "duration: long", "5: duration must be a whole number"),
        (APPLES, "answer: B\n    why: Ripe", "answer: D\n    why: Ripe", "10: answer must be"),
        (APPLES, "options: [2, 5]", "options: [2]", "15: a question needs 2 to 8 options"),
        (APPLES, "passage: 3", "passage: 9", "18: the lesson has passages 1 to 4"),
        (APPLES, "    why: Five", "    wye: Five", "17: unknown field wye"),
        (APPLES, "print(seeds)\n```", "print(seeds)", "30: ``` is never closed"),
        (APPLES, "s = 5\n$$", "s = 5", "36: $$ is never closed"),
        (APPLES, "s = 5\n$$", "s = \\five\n$$", "36: \\five is unknown"),
        ("01-start/02-draft.md", "published: false", "published: no", "3: published must be"),
        ("01-start/02-draft.md", "Not yet for learners: quinces.", "", "5: the lesson has no"),
        ("01-start/01-apples.vtt", "00:02.000", "00:02", "3: a cue's times must look like"),
        ("01-start/01-apples.vtt", "00:02.000", "00:00.100", "3: a cue must end after"),
        ("01-start/01-apples.vtt", "WEBVTT", "SUBTITLES", "1: captions must begin with WEBVTT"),
    ],
)
def test_an_error_names_file_and_line(
    folder: Path, path: str, old: str, new: str, expected: str
) -> None:
    replace(folder / path, old, new)
    found = errors(folder)
    assert any(error.startswith(f"{path}:{expected}") for error in found), found


def test_all_errors_are_reported_at_once(folder: Path) -> None:
    replace(folder / "course.md", "slug: tiny-course\n", "")
    (folder / "02-more" / "module.md").unlink()
    (folder / "01-start" / "03-pears.vtt").write_text("WEBVTT\n")
    (folder / "01-start" / "04-apples.md").write_bytes(b"---\ntitle: \xff\n---\n")
    assert errors(folder) == [
        "01-start/03-pears.vtt:1: there is no lesson 03-pears.md",
        "01-start/04-apples.md:1: title is missing",
        "01-start/04-apples.md:2: not UTF-8 text",
        "01-start/module.md:1: two entries have the name start/apples",
        "02-more/module.md:1: missing",
        "course.md:1: slug is missing",
    ]


def test_a_folder_without_a_course_is_an_error(tmp_path: Path) -> None:
    assert errors(tmp_path) == [f"course.md:1: missing in {tmp_path}"]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("$$x$$", ["formula"]),
        ("$$\nx\n\ny\n$$\n\nafter", ["formula", "text"]),
        ("1. a\n\n2. b\n\ntext", ["text", "text"]),
        ("| a | b |\n|---|---|\n| 1 | 2 |", ["text"]),
        ("<!-- a note -->\n\n---\n\ntext", ["text"]),
        ("costs $$ at times", ["text"]),
        ("~~~\n$$\n~~~", ["code"]),
        ("> quoted\n> words", ["text"]),
    ],
)
def test_what_counts_as_one_passage(text: str, kinds: list[str]) -> None:
    found = split_passages(text)
    assert ([passage.kind for passage in found.passages], found.errors) == (kinds, [])


@pytest.mark.parametrize(
    "bad", ["\\n", "\\u2028", "\\u202e", "\\e", "\\u200b", "\\t", "\\U000e0041"]
)
@pytest.mark.parametrize(
    ("path", "old", "field"),
    [
        ("course.md", "title: ", "title"),
        ("01-start/module.md", "title: ", "title"),
        (APPLES, "title: ", "title"),
        (APPLES, "question: ", "question"),
    ],
)
def test_short_text_with_a_line_break_or_a_hidden_character_is_refused(
    folder: Path, path: str, old: str, field: str, bad: str
) -> None:
    lines = (folder / path).read_text().split("\n")
    number = next(n for n, line in enumerate(lines) if old in line)
    lines[number] = lines[number].split(old)[0] + f'{old}"END{bad}LESSON TEXT"'
    (folder / path).write_text("\n".join(lines))
    message = f"{field} must be one line, without control or invisible characters"
    assert errors(folder) == [f"{path}:{number + 1}: {message}"]


def test_titles_in_hindi_and_persian_keep_their_joiners(folder: Path) -> None:
    title = "\u0915\u094d\u200d\u0937 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    replace(folder / APPLES, "title: Apples", f"title: {title}")
    assert read_course(folder).modules[0].lessons[0].title == title
