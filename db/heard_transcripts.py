"""A learner's transcripts, by lesson and by words. Reads the view heard_segments."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from db import Connection

MOST_TALKS = 500
MOST_HITS = 200
_START, _END = "\x02", "\x03"  # around a match; in the text itself they become spaces


@dataclass(frozen=True)
class HeardConversation:
    session_id: UUID
    course_id: UUID | None
    module_id: UUID | None
    module_title: str | None
    lesson_id: UUID | None
    lesson_title: str | None
    first_id: str
    started_at: datetime
    ended_at: datetime
    segments: int


@dataclass(frozen=True)
class SegmentHit:
    """A segment that matches a search; `marked` is its text with the matches marked."""

    session_id: UUID
    session_started_at: datetime
    id: str
    account_id: UUID | None
    to_account_id: UUID | None  # the learner whom the tutor spoke to
    name: str
    role: Literal["learner", "tutor"]
    text: str
    marked: str
    started_at: datetime
    module_id: UUID | None
    lesson_id: UUID | None
    lesson_title: str | None

    @property
    def highlights(self) -> list[tuple[int, int]]:
        """Start and end of each match in the text, in UTF-16 units as browsers count."""
        found, position = [], 0
        start = 0
        for char in self.marked:
            if char == _START:
                start = position
            elif char == _END:
                found.append((start, position))
            else:
                position += 1 if ord(char) < 0x10000 else 2
        return found


async def list_listeners(
    db: Connection, tenant_id: UUID, session_id: UUID
) -> dict[str, frozenset[str]]:
    """The identities that heard each segment of a session, by the segment's id."""
    rows = await db.fetch(
        """select s.id, array_agg(a.identity) as listeners
           from heard_segments s
           join accounts a on a.tenant_id = s.tenant_id and a.id = s.listener_id
           where s.tenant_id = $1 and s.session_id = $2 group by s.id""",
        tenant_id,
        session_id,
    )
    return {row["id"]: frozenset(row["listeners"]) for row in rows}


async def list_conversations(
    db: Connection,
    tenant_id: UUID,
    account_id: UUID,
    *,
    lesson_id: UUID | None = None,
    module_id: UUID | None = None,
    mine: bool = False,
) -> list[HeardConversation]:
    """Newest first. With `mine`, only those in which the account spoke."""
    rows = await db.fetch(
        """select s.session_id, r.course_id, r.module_id, m.title as module_title, s.lesson_id,
                  l.title as lesson_title, min(s.started_at) as started_at,
                  max(s.ended_at) as ended_at, count(*) as segments,
                  (array_agg(s.id order by s.started_at, s.epoch, s.local_seq))[1] as first_id
           from heard_segments s
           join livekit_rooms r on r.tenant_id = s.tenant_id and r.id = s.room_id
           left join modules m on m.tenant_id = r.tenant_id and m.id = r.module_id
           left join lessons l on l.tenant_id = s.tenant_id and l.id = s.lesson_id
           where s.tenant_id = $1 and s.listener_id = $2
             and ($3::uuid is null or s.lesson_id = $3) and ($4::uuid is null or r.module_id = $4)
             and (not $5 or s.account_id = $2)
           group by s.session_id, r.course_id, r.module_id, m.title, s.lesson_id, l.title
           order by min(s.started_at) desc limit $6""",
        tenant_id,
        account_id,
        lesson_id,
        module_id,
        mine,
        MOST_TALKS,
    )
    return [HeardConversation(**row) for row in rows]


async def search_heard_segments(
    db: Connection,
    tenant_id: UUID,
    account_id: UUID,
    query: str,
    *,
    lesson_id: UUID | None = None,
    module_id: UUID | None = None,
    mine: bool = False,
) -> list[SegmentHit]:
    """The first MOST_HITS matches of a web-style query, in spoken order."""
    rows = await db.fetch(
        """with q as (select websearch_to_tsquery('english', $6) as words), found as (
             select s.session_id, x.started_at as session_started_at, s.id, s.account_id,
                    s.to_account_id, s.name, s.role, s.text, s.started_at, s.epoch, s.local_seq,
                    r.module_id, s.lesson_id, l.title as lesson_title
             from heard_segments s
             join sessions x on x.tenant_id = s.tenant_id and x.id = s.session_id
             join livekit_rooms r on r.tenant_id = s.tenant_id and r.id = s.room_id
             left join lessons l on l.tenant_id = s.tenant_id and l.id = s.lesson_id
             where s.tenant_id = $1 and s.listener_id = $2 and s.search @@ (select words from q)
               and ($3::uuid is null or s.lesson_id = $3)
               and ($4::uuid is null or r.module_id = $4)
               and (not $5 or s.account_id = $2)
             order by s.started_at, s.epoch, s.local_seq limit $7
           )
           select session_id, session_started_at, id, account_id, to_account_id, name, role, text,
                  started_at, module_id, lesson_id, lesson_title,
                  ts_headline('english', translate(text, $8 || $9, '  '), (select words from q),
                    'HighlightAll=true, StartSel=' || $8 || ', StopSel=' || $9) as marked
           from found order by started_at, epoch, local_seq""",
        tenant_id,
        account_id,
        lesson_id,
        module_id,
        mine,
        query,
        MOST_HITS,
        _START,
        _END,
    )
    return [SegmentHit(**row) for row in rows]
