"""One's own transcripts and words. Owns /api/me/transcripts and /api/me/words."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from db import tenant_tx
from db.erasing import erase_words
from db.heard import Hit, Talk, list_talks, search_heard
from db.roles import select_visible_session
from web.context import Caller, Running
from web.errors import PROBLEMS
from web.models import HeardSegment, HeardTalk, Highlight, OwnTranscripts, WordsErased
from web.transcripts import seconds_of

router = APIRouter(prefix="/api/me", tags=["transcripts"], responses=PROBLEMS)

LessonQuery = Annotated[UUID | None, Query(alias="lessonId")]
ModuleQuery = Annotated[UUID | None, Query(alias="moduleId")]
Words = Annotated[str, Query(max_length=200, description="As in a web search; English")]
Mine = Annotated[bool, Query(description="Only what the caller said")]


@router.get("/transcripts")
async def get_own_transcripts(
    running: Running,
    caller: Caller,
    response: Response,
    lesson_id: LessonQuery = None,
    module_id: ModuleQuery = None,
    q: Words = "",
    mine: Mine = False,
) -> OwnTranscripts:
    """The caller's talks, newest first; with `q` the segments of them in which it is said.

    Of both only what the caller said, or what was said while they were there.
    """
    response.headers["Cache-Control"] = "no-store"
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        whose = (db, caller.tenant_id, caller.account.id)
        if q.strip():
            hits = await search_heard(
                *whose, q, lesson_id=lesson_id, module_id=module_id, mine=mine
            )
            return OwnTranscripts(talks=[], hits=[_hit(hit, caller.account.id) for hit in hits])
        talks = await list_talks(*whose, lesson_id=lesson_id, module_id=module_id, mine=mine)
    return OwnTranscripts(talks=[_talk(talk) for talk in talks], hits=[])


@router.delete("/words")
async def delete_own_words(
    session_id: Annotated[UUID, Query(alias="sessionId")], running: Running, caller: Caller
) -> WordsErased:
    """Erases what the caller said in a session until now, and the tutor's answers to it.

    The rows are gone with the answer; the spools of the hosts follow within seconds, and nothing
    that is still on its way comes back.
    """
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        await select_visible_session(db, caller.tenant_id, caller.account, session_id)
        count = await erase_words(
            db, caller.tenant_id, session_id, caller.account.id, running.clock()
        )
    return WordsErased(erased=count)


def _talk(talk: Talk) -> HeardTalk:
    return HeardTalk.model_validate(talk, from_attributes=True)


def _hit(hit: Hit, account_id: UUID) -> HeardSegment:
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
        start_s=seconds_of(hit.started_at, hit.session_started_at),
        highlights=[Highlight(start=start, end=end) for start, end in hit.highlights],
    )
