"""Pictures of a course: read with the lesson that shows them; every error names file and line."""

from pathlib import Path

import pytest

from courses.folder import CourseFolderError, read_course
from courses.pictures import (
    MAX_BYTES,
    describe_pictures_in_words,
    link_pictures,
    picture_names,
)

PNG = b"\x89PNG\r\n\x1a\n" + b"one"
LESSON = "01-start/01-apples.md"


def course(folder: Path, text: str, **files: bytes) -> Path:
    """A course of one lesson with this text, and files of these names next to it."""
    module = folder / "01-start"
    (module / "images").mkdir(parents=True)
    (folder / "course.md").write_text("---\nslug: tiny\ntitle: Tiny\n---\n")
    (module / "module.md").write_text("---\ntitle: Start\n---\n")
    (module / "01-apples.md").write_text(f"---\ntitle: Apples\n---\n{text}\n")
    for name, data in files.items():
        (module / "images" / name.replace("_", ".")).write_bytes(data)
    return folder


def errors(folder: Path) -> list[str]:
    with pytest.raises(CourseFolderError) as caught:
        read_course(folder)
    return [str(error) for error in caught.value.errors]


def test_picture_is_read_and_its_passage_keeps_words_and_a_name(tmp_path: Path) -> None:
    text = "Look:\n![A red apple](images/a.png) and ![again](images/b.png)."
    read = read_course(course(tmp_path, text, a_png=PNG, b_png=PNG))
    (picture,) = read.pictures  # the same content twice
    assert picture.data == PNG
    (passage,) = read.modules[0].lessons[0].passages
    assert passage.body == (
        f"Look:\n![A red apple](picture:{picture.name}) and ![again](picture:{picture.name})."
    )
    assert picture_names(passage.body) == [picture.name, picture.name]
    assert (
        describe_pictures_in_words(passage.body)
        == "Look:\n(A picture: A red apple) and (A picture: again)."
    )
    assert link_pictures("![a](picture:x.png) ![b](y.png)", lambda name: f"/{name}") == (
        "![a](/x.png) ![b](y.png)"
    )


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (PNG, ".png"),
        (b"\xff\xd8\xff\xe0rest", ".jpg"),
        (b"GIF89arest", ".gif"),
        (b"RIFF\0\0\0\0WEBPrest", ".webp"),
    ],
)
def test_picture_type_is_detected_from_its_content(
    tmp_path: Path, data: bytes, suffix: str
) -> None:
    (picture,) = read_course(course(tmp_path, "![a](images/a.dat)", a_dat=data)).pictures
    assert picture.name.endswith(suffix)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("![a](images/gone.png)", "there is no file images/gone.png"),
        ("![](images/a.png)", "a picture needs words for what it shows: ![words](file)"),
        ("![a](images/a.svg)", "images/a.svg is not a PNG, JPEG, GIF or WebP picture"),
        ("![a](images/big.png)", "images/big.png is larger than 5 MB"),
        ("![a](https://example.org/a.png)", "must be a file in the folder of the course"),
        ("![a](data:image/png;base64,AA)", "must be a file in the folder of the course"),
        ("![a](../../outside.png)", "must be a file in the folder of the course"),
        ("![a](/etc/hostname)", "must be a file in the folder of the course"),
        ('![a](images/a.png "title")', "write a picture as ![words](file)"),
        ("![a][b]\n\n[b]: images/a.png", "write a picture as ![words](file)"),
    ],
)
def test_unusable_picture_is_an_error_with_file_and_line(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "outside.png").write_bytes(PNG)
    big = PNG + bytes(MAX_BYTES)
    folder = course(
        tmp_path / "course", f"First.\n\nSecond:\n{text}", a_png=PNG, big_png=big, a_svg=b"<svg/>"
    )
    (error,) = errors(folder)
    line = 6 if "write a picture" in message else 7
    assert error.startswith(f"{LESSON}:{line}: ")
    assert message in error


def test_symlink_out_of_the_course_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(PNG)
    folder = course(tmp_path / "course", "![a](images/a.png)")
    (folder / "01-start" / "images" / "a.png").symlink_to(tmp_path / "secret.png")
    (error,) = errors(folder)
    assert "must be a file in the folder of the course" in error


def test_picture_syntax_in_code_stays_code(tmp_path: Path) -> None:
    read = read_course(course(tmp_path, "Write `![a](b.png)`.\n\n```\n![a](b.png)\n```"))
    bodies = [passage.body for passage in read.modules[0].lessons[0].passages]
    assert bodies == ["Write `![a](b.png)`.", "```\n![a](b.png)\n```"]
    assert read.pictures == ()
