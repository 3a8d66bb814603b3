"""The caller's own transcripts and words. Owns /api/me/transcripts and /api/me/words."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from db import tenant_tx
from db.access_log import WordsRead, record_reads
from db.erasing import erase_words
from db.heard_transcripts import SegmentHit, list_conversations, search_heard_segments
from db.roles import select_visible_session
from web.camel import CamelModel
from web.dependencies import Caller, Running, rate_limited
from web.error_responses import PROBLEMS
from web.transcripts import seconds_since_start

router = APIRouter(prefix="/api/me", tags=["transcripts"], responses=PROBLEMS)

LessonQuery = Annotated[UUID | None, Query(alias="lessonId")]
ModuleQuery = Annotated[UUID | None, Query(alias="moduleId")]
Words = Annotated[str, Query(max_length=200, description="Words to find, as in a web search")]
Mine = Annotated[bool, Query(description="Only what the caller said")]


class HeardTalk(CamelModel):
    """What the caller heard in one session about one lesson. `firstId` is its first segment."""

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


class Highlight(CamelModel):
    """Where a found word starts and ends in the text, in UTF-16 units as in JavaScript."""

    start: int
    end: int


class HeardSegment(CamelModel):
    """A segment that the search found. `startS` is in seconds since the session started."""

    session_id: UUID
    segment_id: str
    module_id: UUID | None
    lesson_id: UUID | None
    lesson_title: str | None
    name: str
    role: Literal["learner", "tutor"]
    mine: bool
    text: str
    started_at: datetime
    start_s: float
    highlights: list[Highlight]


class OwnTranscripts(CamelModel):
    """The caller's conversations, newest first, or the segments a search found, oldest first."""

    talks: list[HeardTalk]
    hits: list[HeardSegment]


class WordsErased(CamelModel):
    """How many of the caller's segments were erased."""

    erased: int


@router.get("/transcripts", dependencies=[rate_limited("transcripts")])
async def get_own_transcripts(
    running: Running,
    caller: Caller,
    lesson_id: LessonQuery = None,
    module_id: ModuleQuery = None,
    q: Words = "",
    mine: Mine = False,
) -> OwnTranscripts:
    """The caller's conversations or, with `q`, the segments in them that contain these words.

    Includes what the caller said and what was said while they were in the room.
    """
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        whose = (db, caller.tenant_id, caller.account.id)
        if q.strip():
            hits = await search_heard_segments(
                *whose, q, lesson_id=lesson_id, module_id=module_id, mine=mine
            )
            owners = [(hit.session_id, hit.account_id or hit.to_account_id) for hit in hits]
            read = [WordsRead(session, owner) for session, owner in owners if owner is not None]
            await record_reads(
                db, caller.tenant_id, caller.account, "search", read, running.clock()
            )
            return OwnTranscripts(
                talks=[], hits=[_heard_segment(hit, caller.account.id) for hit in hits]
            )
        talks = await list_conversations(
            *whose, lesson_id=lesson_id, module_id=module_id, mine=mine
        )
    return OwnTranscripts(talks=[HeardTalk.model_validate(talk) for talk in talks], hits=[])


@router.delete("/words", dependencies=[rate_limited("erase")])
async def delete_own_words(
    session_id: Annotated[UUID, Query(alias="sessionId")], running: Running, caller: Caller
) -> WordsErased:
    """Erases what the caller has said in a session so far, and the tutor's answers to it.

    The rows are deleted before the response; the hosts' spools follow within seconds. Segments
    that arrive later are not stored.
    """
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        await select_visible_session(db, caller.tenant_id, caller.account, session_id)
        count = await erase_words(
            db, caller.tenant_id, session_id, caller.account.id, running.clock()
        )
    return WordsErased(erased=count)


def _heard_segment(hit: SegmentHit, account_id: UUID) -> HeardSegment:
    return HeardSegment(
        session_id=hit.session_id,
        segment_id=hit.id,
        module_id=hit.module_id,
        lesson_id=hit.lesson_id,
        lesson_title=hit.lesson_title,
        name=hit.name,
        role=hit.role,
        mine=hit.account_id == account_id,
        text=hit.text,
        started_at=hit.started_at,
        start_s=seconds_since_start(hit.started_at, hit.session_started_at),
        highlights=[Highlight(start=start, end=end) for start, end in hit.highlights],
    )
