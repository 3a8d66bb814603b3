"""Rows for the tests of db/."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from courses.course import Course, Module
from courses.folder import read_course
from courses.tree import build_tree
from db import Connection, accounts, rooms, sessions
from db.accounts import Account
from db.consent_texts import ConsentText, transcript_text
from db.consents import insert_consents_and_set_storing, withdraw_consents
from db.importing import import_course
from db.transcripts import Segment

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CONSENT = ConsentText("tutor", "1", "Bodh is a computer program.")
TINY = Path(__file__).parent / "tiny"


def at(second: float) -> datetime:
    """A time in the session, in seconds from its start."""
    return NOW + timedelta(seconds=second)


async def import_folder(db: Connection, tenant_id: UUID, folder: Path = TINY) -> Course:
    return await import_course(db, tenant_id, build_tree(read_course(folder), tenant_id))


async def make_learner(db: Connection, tenant_id: UUID, name: str = "Amina") -> Account:
    return await accounts.upsert_signed_in_account(
        db, tenant_id, subject=f"dev:{name}", name=name, role="learner"
    )


async def choose_storing(
    db: Connection, tenant_id: UUID, account_id: UUID, *, store_words: bool
) -> None:
    if store_words:
        await insert_consents_and_set_storing(db, tenant_id, account_id, [transcript_text()], NOW)
    else:
        await withdraw_consents(db, tenant_id, account_id, ["transcript"], NOW)


async def modules_of(db: Connection, tenant_id: UUID, course_id: UUID) -> list[Module]:
    """In order, including unpublished ones."""
    rows = await db.fetch(
        """select id, course_id, title, description, order_index from modules
           where tenant_id = $1 and course_id = $2 order by order_index""",
        tenant_id,
        course_id,
    )
    return [Module(**row) for row in rows]


async def make_room(db: Connection, tenant_id: UUID) -> rooms.Room:
    """A room of the tiny course's first module."""
    course = await import_folder(db, tenant_id)
    (module, _) = await modules_of(db, tenant_id, course.id)
    return await rooms.ensure_room(
        db, tenant_id, name=f"{course.id}-{module.id}", course_id=course.id, module_id=module.id
    )


async def make_session(db: Connection, tenant_id: UUID) -> UUID:
    """A running session in a new room."""
    room = await make_room(db, tenant_id)
    return (await sessions.insert_session(db, tenant_id, room.id, "RM_1", NOW)).id


def segment(session_id: UUID, key: str, start: float, account: Account | None) -> Segment:
    """Two seconds of speech by a learner, or by the tutor."""
    return Segment(
        session_id=session_id,
        id=key,
        account_id=None if account is None else account.id,
        identity="a_1" if account is None else account.identity,
        name="Bodh" if account is None else account.name,
        role="tutor" if account is None else "learner",
        source="voice",
        text=f"words {key}",
        started_at=at(start),
        ended_at=at(start + 2),
        lesson_id=None,
        language="en",
        confidence=0.5,
        interrupted=False,
        in_reply_to=None,
        provenance="live",
        epoch=1,
        local_seq=int(start * 10),
    )
