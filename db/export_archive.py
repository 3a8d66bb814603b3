"""The export of an account as a stream of files, and as a zip archive made while it is sent.

Sessions are read one by one, each in its own transaction, and twice: for their JSON file and for
the readable page. Memory is bounded by the longest session.
"""

import io
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from db import Pool, tenant_tx
from db.access_log import record_reads
from db.account_export import (
    PARTS,
    ExportSession,
    Json,
    list_attendance,
    list_export_sessions,
    list_exported_words,
    list_logged_events,
    list_part,
)
from db.accounts import Account
from db.deleting import object_folder
from db.export_page import (
    page_end,
    page_start,
    part_section,
    said_lines,
    session_heading,
    sessions_heading,
)
from db.storage import Storage

PAGE = "index.html"
BATCH = 200  # rows written at once


@dataclass(frozen=True)
class Export:
    """An export of one account. `reader` is who gets it, None for an operator."""

    pool: Pool
    storage: Storage
    account: Account
    reader: Account | None
    now: datetime


@dataclass(frozen=True)
class _SessionRows:
    attendance: list[Json]
    events: list[Json]
    segments: Sequence[Json]


async def export_files(export: Export) -> AsyncGenerator[tuple[str, bytes], None]:
    """Pieces of the files with their names, one file after the other. The caller closes it.

    Each read of words is recorded before they are yielded. Raises StorageUnavailable and AWAY.
    """
    account = export.account
    folder = object_folder("account", account.id)
    objects = await export.storage.list_names(account.tenant_id, folder)
    sessions = await _list_sessions(export)
    async for file in _json_file_pieces(export, sessions):
        yield file
    async for piece in _page_pieces(export, sessions):
        yield PAGE, piece.encode()
    for name in objects:
        with suppress(FileNotFoundError):  # deleted since it was listed
            async with aclosing(export.storage.read(account.tenant_id, name)) as chunks:
                async for data in chunks:
                    yield f"files/{name.removeprefix(f'{folder}/')}", data


async def _list_sessions(export: Export) -> list[ExportSession]:
    account = export.account
    async with tenant_tx(export.pool, account.tenant_id) as db:
        return await list_export_sessions(db, account.tenant_id, account.id)


async def _json_file_pieces(
    export: Export, sessions: Sequence[ExportSession]
) -> AsyncIterator[tuple[str, bytes]]:
    account = export.account
    for part in PARTS:
        async with tenant_tx(export.pool, account.tenant_id) as db:
            rows = await list_part(db, account.tenant_id, account.id, part)
        for piece in _json_list(rows):
            yield f"{part.name}.json", piece.encode()
    for session in sessions:
        for piece in _session_json(session, await _read_session_and_record_it(export, session)):
            yield f"sessions/{session.id}.json", piece.encode()


async def _page_pieces(export: Export, sessions: Sequence[ExportSession]) -> AsyncIterator[str]:
    account = export.account
    yield page_start(account.name, export.now)
    for part in PARTS:
        async with tenant_tx(export.pool, account.tenant_id) as db:
            rows = await list_part(db, account.tenant_id, account.id, part)
        yield part_section(part.title, part.note, rows)
    yield sessions_heading(len(sessions))
    for session in sessions:
        found = await _read_session_and_record_it(export, session)
        yield session_heading(session.facts, found.attendance, len(found.segments))
        for start in range(0, len(found.segments), BATCH):
            yield said_lines(found.segments[start : start + BATCH])
    yield page_end()


async def _read_session_and_record_it(export: Export, session: ExportSession) -> _SessionRows:
    account, tenant_id = export.account, export.account.tenant_id
    async with tenant_tx(export.pool, tenant_id) as db:
        attendance = await list_attendance(db, tenant_id, session.id, account.id)
        events = await list_logged_events(db, tenant_id, session.id, account.id)
        words = await list_exported_words(db, tenant_id, session.id, account.id)
        await record_reads(db, tenant_id, export.reader, "export", words.read, export.now)
    return _SessionRows(attendance, events, words.segments)


def _json_list(rows: Sequence[Json]) -> Iterator[str]:
    """A JSON array with one row on each line."""
    yield "["
    for start in range(0, len(rows), BATCH):
        yield (",\n" if start else "\n") + ",\n".join(rows[start : start + BATCH])
    yield "\n]\n"


def _session_json(session: ExportSession, found: _SessionRows) -> Iterator[str]:
    yield f'{{"session": {session.facts},\n"attendance": '
    yield from _json_list(found.attendance)
    yield ', "events": '
    yield from _json_list(found.events)
    yield ', "transcript": '
    yield from _json_list(found.segments)
    yield "}\n"


async def export_zip(export: Export) -> AsyncGenerator[bytes, None]:
    """The caller closes it."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive, ExitStack() as opened:
        name, entry = "", None
        async with aclosing(export_files(export)) as files:
            async for piece_name, data in files:
                if piece_name != name or entry is None:
                    opened.close()
                    new = archive.open(_zip_entry(piece_name, export.now), "w", force_zip64=True)
                    name, entry = piece_name, opened.enter_context(new)
                entry.write(data)
                if piece := sink.take():
                    yield piece
    yield sink.take()


def _zip_entry(name: str, now: datetime) -> zipfile.ZipInfo:
    """Readable only by whoever unpacks it."""
    entry = zipfile.ZipInfo(name, now.astimezone(UTC).timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


class _Sink(io.RawIOBase):
    """Collects what a zip archive writes, for sending. It cannot seek."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What was written since the last call."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data
