"""Compares what was heard, spooled, stored and shown."""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import asyncpg

from harness.stack import Stack
from harness.talker import Talker

DRAIN_LIMIT_S = 30.0
STORED_QUERY = """select session_id, id, role, epoch, local_seq, started_at from transcript_segments
            order by session_id, started_at, epoch, local_seq"""

Key = tuple[str, str]  # session id, segment id


@dataclass(frozen=True)
class Comparison:
    heard: set[Key]  # a learner saw its final caption
    spooled: dict[Key, float]  # when each was acknowledged, in epoch seconds
    stored: set[Key]
    shown: Counter[Key]  # by the transcript route, to the learner who said it
    dead_letters: int
    gaps: int  # numbers missing from an agent's sequence
    out_of_order: list[float]  # epoch seconds of learner segments stored in another order

    @property
    def lost(self) -> set[Key]:
        return (self.heard | self.spooled.keys()) - self.stored

    @property
    def doubled(self) -> int:
        return sum(count - 1 for count in self.shown.values())

    @property
    def hidden(self) -> set[Key]:
        return self.heard - set(self.shown)


async def compare(stack: Stack, talkers: list[Talker]) -> Comparison:
    """Waits for the drainer, at most DRAIN_LIMIT_S, then reads every place.

    Reads the spool first, because an agent may still talk to an empty room.
    """
    spool = stack.home / "spool" / "spool.sqlite3"
    spooled = _read_spooled(spool)
    deadline = time.monotonic() + DRAIN_LIMIT_S
    while _count_waiting(spool) and time.monotonic() < deadline:  # noqa: ASYNC110 the drainer works
        await asyncio.sleep(0.2)
    db = await asyncpg.connect(stack.superuser_dsn)
    try:
        rows = await db.fetch(STORED_QUERY)
        dead = await db.fetchval("select count(*) from dead_letters")
    finally:
        await db.close()
    return Comparison(
        heard={key for talker in talkers for key in talker.heard_segments()},
        spooled=spooled,
        stored={(str(row["session_id"]), row["id"]) for row in rows},
        shown=Counter([key for talker in talkers for key in await _list_shown(talker)]),
        dead_letters=dead,
        gaps=_count_gaps(rows),
        out_of_order=_out_of_order(rows),
    )


def _count_gaps(rows: Iterable[Any]) -> int:
    numbers: dict[Any, list[int]] = {}
    for row in rows:
        numbers.setdefault((row["session_id"], row["epoch"]), []).append(row["local_seq"])
    return sum(max(found) - len(found) for found in numbers.values())


def _out_of_order(rows: Iterable[Any]) -> list[float]:
    """Learner segments that were stored before one of their session that was spoken earlier."""
    said = [row for row in rows if row["role"] == "learner"]
    return [
        later["started_at"].timestamp()
        for _, session in groupby(said, key=lambda row: row["session_id"])
        for earlier, later in pairwise(session)
        if (later["epoch"], later["local_seq"]) < (earlier["epoch"], earlier["local_seq"])
    ]


def _count_waiting(spool: Path) -> int:
    (count,) = _query_spool(spool, "select count(*) from entries where drained_at is null")[0]
    return int(count)


def _read_spooled(spool: Path) -> dict[Key, float]:
    rows = _query_spool(
        spool, "select session_id, key, created_at from entries where kind = 'segment'"
    )
    return {(session, key): at for session, key, at in rows}


def _query_spool(spool: Path, query: str) -> list[Any]:
    db = sqlite3.connect(f"file:{spool}?mode=ro", uri=True, timeout=10)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


async def _list_shown(talker: Talker) -> list[Key]:
    sessions = {one.session_id for one in talker.connections}
    return [
        (session, segment["id"])
        for session in sessions
        for segment in await talker.account.transcript(session)
    ]
