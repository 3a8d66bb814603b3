"""Stored objects by signed link. Owns /api/files and the format of a link.

A link gives read access to its object until it expires. The code that makes a link decides who
may have it.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response

from db import Forbidden, NotFound
from db.storage import StoredObject
from settings import Settings
from web.dependencies import Running
from web.error_responses import PROBLEMS, Problem, problem_response
from web.pieces import respond_in_pieces

ROUND_S = 3600  # links stay the same for an hour, so that browsers can cache the objects
TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
BYTES = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

router = APIRouter(prefix="/api", tags=["files"], responses=PROBLEMS)


@dataclass(frozen=True)
class ByteRange:
    """Bytes from `start` up to, but not including, `end`; `partial` if that is not all."""

    start: int
    end: int
    partial: bool


def file_link(settings: Settings, tenant_id: UUID, name: str, now: datetime) -> str:
    """The path of a link to an object, valid for one to two hours."""
    expires = (int(now.timestamp()) // ROUND_S + 2) * ROUND_S
    signature = _sign_link(settings, tenant_id, name, expires)
    return f"/api/files/{tenant_id}/{name}?expires={expires}&signature={signature}"


@router.get(
    "/files/{tenant_id}/{name:path}",
    response_class=Response,
    responses={
        200: {"content": BYTES, "description": "The object"},
        206: {"content": BYTES, "description": "The requested range"},
        304: {"description": "Not changed"},
        416: {"model": Problem, "description": "A range beyond the end of the object"},
    },
)
async def get_file(
    tenant_id: UUID,
    name: str,
    running: Running,
    expires: int = 0,
    signature: str = "",
    wanted: Annotated[str, Header(alias="Range")] = "",
    if_range: Annotated[str, Header()] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """A stored object or a range of it. A wrong or expired link is refused."""
    now = running.clock()
    _check_link(running.settings, tenant_id, name, expires, signature, now)
    found = await running.storage.find(tenant_id, name)
    if found is None:
        raise NotFound("file")
    headers = _file_headers(found, expires - int(now.timestamp()))
    if found.etag in [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]:
        return Response(status_code=304, headers=headers)
    part = choose_byte_range(wanted if if_range in ("", found.etag) else "", found.size)
    if part is None:
        return problem_response(
            416,
            "range_not_satisfiable",
            "The range begins after the end of the file",
            {"Content-Range": f"bytes */{found.size}"},
        )
    if part.partial:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{found.size}"
    headers["Content-Length"] = str(part.end - part.start)
    if part.end == part.start:
        return Response(headers=headers, media_type=_content_type(name))
    try:
        return await respond_in_pieces(
            running.storage.read(tenant_id, name, part.start, part.end),
            headers=headers,
            media_type=_content_type(name),
            status_code=206 if part.partial else 200,
        )
    except FileNotFoundError as error:  # deleted since it was found
        raise NotFound("file") from error


def choose_byte_range(header: str, size: int) -> ByteRange | None:
    """The part that a Range header requests; None if it is beyond the end.

    Everything if there is no header, several ranges or another unit, as RFC 9110 allows.
    """
    match = RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return ByteRange(0, size, partial=False)
    first, last = match.groups()
    if not first:  # the last `last` bytes
        count = min(int(last), size)
        return ByteRange(size - count, size, partial=True) if count else None
    start, end = int(first), min(int(last or size) + bool(last), size)
    if last and int(last) < int(first):
        return ByteRange(0, size, partial=False)  # not a range at all
    return ByteRange(start, end, partial=True) if start < size else None


def _check_link(
    settings: Settings, tenant_id: UUID, name: str, expires: int, signature: str, now: datetime
) -> None:
    """Raises Forbidden."""
    right = _sign_link(settings, tenant_id, name, expires)
    if not hmac.compare_digest(right.encode(), signature.encode()):
        raise Forbidden("This link is not valid. Reload the page to get a new one.")
    if expires <= now.timestamp():
        raise Forbidden("This link has expired. Reload the page to get a new one.")


def _sign_link(settings: Settings, tenant_id: UUID, name: str, expires: int) -> str:
    """Signed with a key derived from the media server's secret, which every token server has."""
    secret = settings.livekit_api_secret.get_secret_value().encode()
    key = hmac.digest(secret, b"bodh: links to stored objects", hashlib.sha256)
    signed = hmac.digest(key, f"{tenant_id}/{name}\n{expires}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(signed[:24]).decode()


def _file_headers(found: StoredObject, fresh_s: int) -> dict[str, str]:
    name = PurePosixPath(found.name).name
    shown = "inline" if _content_type(name).startswith("image/") else "attachment"
    return {
        "ETag": found.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": f"private, max-age={fresh_s}",
        "Content-Disposition": f'{shown}; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }


def _content_type(name: str) -> str:
    return TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
