"""What was said in a session. Owns /api/sessions/{id}/transcript and its four formats."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response

from db import tenant_tx
from db.access_log import WordsRead, record_reads
from db.roles import sees_whole_session, select_visible_session
from db.transcripts import Segment, list_heard_segments, list_segments
from web.camel import CamelModel
from web.dependencies import Caller, Running, rate_limited
from web.error_responses import PROBLEMS

router = APIRouter(prefix="/api", tags=["transcripts"], responses=PROBLEMS)

Format = Annotated[Literal["json", "txt", "vtt", "feed"], Query(alias="format")]
_TEXT = {"schema": {"type": "string"}}
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " "})


class TranscriptSegment(CamelModel):
    """One utterance. Times are in seconds since the session started."""

    id: str
    speaker: str
    name: str
    role: Literal["learner", "tutor"]
    source: Literal["voice", "text"]
    text: str
    start_s: float
    end_s: float
    lesson_id: UUID | None
    language: str | None
    confidence: float | None
    interrupted: bool
    mine: bool


class Transcript(CamelModel):
    """What was said in a session, in order of speaking."""

    session_id: UUID
    started_at: datetime
    segments: list[TranscriptSegment]


@router.get(
    "/sessions/{session_id}/transcript",
    response_model=Transcript,
    dependencies=[rate_limited("transcripts")],
    responses={200: {"content": {"text/plain": _TEXT, "text/vtt": _TEXT}}},
)
async def get_transcript(
    session_id: UUID, running: Running, caller: Caller, form: Format = "json"
) -> Response:
    """The transcript of a session: all of it for its teachers, for others what they heard."""
    account = caller.account
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        session = await select_visible_session(db, caller.tenant_id, account, session_id)
        if await sees_whole_session(db, caller.tenant_id, account, session):
            stored = await list_segments(db, caller.tenant_id, session_id)
        else:
            stored = await list_heard_segments(db, caller.tenant_id, session_id, account.id)
        # an answer repeats what the learner it was said to has asked
        owners = [s.account_id or s.to_account_id for s in stored]
        read = [WordsRead(session_id, owner) for owner in owners if owner is not None]
        await record_reads(db, caller.tenant_id, account, "transcript", read, running.clock())
    segments = [_transcript_segment(segment, session.started_at, account.id) for segment in stored]
    if form == "txt":
        return Response(as_text(segments), media_type="text/plain")
    if form == "feed":
        return Response(as_feed(segments), media_type="text/plain")
    if form == "vtt":
        return Response(as_vtt(segments), media_type="text/vtt")
    body = Transcript(session_id=session_id, started_at=session.started_at, segments=segments)
    text = body.model_dump_json(by_alias=True)
    return Response(text, media_type="application/json")


def as_text(segments: list[TranscriptSegment]) -> str:
    """One line per segment: `[00:01:02] Amina: ...`."""
    lines = (f"[{_vtt_time(s.start_s)[:8]}] {s.name}: {_one_line(s.text)}" for s in segments)
    return "".join(f"{line}\n" for line in lines)


def as_feed(segments: list[TranscriptSegment]) -> str:
    """For braille displays: one line per segment, no times, a name only when it changes."""
    names = ["", *(s.name for s in segments)]
    lines = (
        _one_line(s.text) if s.name == before else f"{s.name}: {_one_line(s.text)}"
        for s, before in zip(segments, names, strict=False)
    )
    return "".join(f"{line}\n" for line in lines)


def as_vtt(segments: list[TranscriptSegment]) -> str:
    cues = (
        f"\n{number}\n{_vtt_time(s.start_s)} --> {_vtt_time(max(s.end_s, s.start_s + 0.001))}\n"
        f"<v {_one_line(s.name).translate(_ESCAPES)}>{_one_line(s.text).translate(_ESCAPES)}\n"
        for number, s in enumerate(segments, start=1)
    )
    return "WEBVTT\n" + "".join(cues)


def seconds_since_start(at: datetime, started_at: datetime) -> float:
    """Seconds since the session started; 0 for speech that began just before the session's row."""
    return max(0.0, round((at - started_at).total_seconds(), 3))


def _transcript_segment(
    segment: Segment, started_at: datetime, account_id: UUID
) -> TranscriptSegment:
    return TranscriptSegment(
        id=segment.id,
        speaker=segment.identity,
        name=segment.name,
        role=segment.role,
        source=segment.source,
        text=segment.text,
        start_s=seconds_since_start(segment.started_at, started_at),
        end_s=seconds_since_start(segment.ended_at, started_at),
        lesson_id=segment.lesson_id,
        language=segment.language,
        confidence=segment.confidence,
        interrupted=segment.interrupted,
        mine=segment.account_id == account_id,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _vtt_time(seconds: float) -> str:
    """`hh:mm:ss.mmm`, for WebVTT."""
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
