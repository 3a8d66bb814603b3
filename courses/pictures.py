"""Pictures of a course: which files may be one, and how a passage refers to it.

A passage contains `![what it shows](picture:NAME)`. The name is derived from the content, so a file
is stored once per course, and a changed file gets a new name.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

MAX_BYTES = 5 * 2**20
SCHEME = "picture:"
PICTURE = re.compile(r"!\[([^\[\]\n]*)\]\(([^()\s]+)\)")
SIGNATURES = {  # no SVG: it can contain scripts and load other files
    ".png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    ".jpg": re.compile(rb"\xff\xd8\xff"),
    ".gif": re.compile(rb"GIF8[79]a"),
    ".webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}


class PictureError(Exception):
    pass


@dataclass(frozen=True)
class Picture:
    name: str
    data: bytes


def read_picture(page: Path, source: str, course: Path) -> Picture:
    """Reads a picture by its path relative to the page. Raises PictureError."""
    path = (page.parent / unquote(source)).resolve()
    if ":" in source or not path.is_relative_to(course.resolve()):
        raise PictureError(f"{source} must be a file in the folder of the course")
    if not path.is_file():
        raise PictureError(f"there is no file {source}")
    if path.stat().st_size > MAX_BYTES:
        raise PictureError(f"{source} is larger than {MAX_BYTES // 2**20} MB")
    data = path.read_bytes()
    suffix = next((end for end, first in SIGNATURES.items() if first.match(data)), None)
    if suffix is None:
        raise PictureError(f"{source} is not a PNG, JPEG, GIF or WebP picture")
    return Picture(f"{hashlib.sha256(data).hexdigest()[:32]}{suffix}", data)


def picture_names(body: str) -> list[str]:
    sources = [source for _, source in PICTURE.findall(body)]
    return [source.removeprefix(SCHEME) for source in sources if source.startswith(SCHEME)]


def link_pictures(body: str, link: Callable[[str], str]) -> str:
    return PICTURE.sub(
        lambda found: (
            f"![{found[1]}]({link(found[2].removeprefix(SCHEME))})"
            if found[2].startswith(SCHEME)
            else found[0]
        ),
        body,
    )


def describe_pictures_in_words(body: str) -> str:
    return PICTURE.sub(r"(A picture: \1)", body)
