"""Every read of another person's words is recorded and shown to that person."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from db import set_tenant, tenant_tx
from db.attendance import upsert_participants
from db.stays import ParticipantRow
from db.transcripts import insert_segments
from tests.conftest import Database
from tests.web.conftest import School
from tests.web.test_transcripts import segment


@pytest.fixture
async def session_id(school: School) -> str:
    """A session in which Amina and Bilal speak and hear each other."""
    session_id: str = (await school.open("Amina"))["sessionId"]
    await school.open("Bilal")
    said = []
    async with tenant_tx(school.pool, school.tenant.id) as db:
        for number, name in enumerate(("Amina", "Bilal")):
            account = await school.account(name)
            stay = ParticipantRow(
                UUID(session_id), f"PA_{name}", account.id, school.clock.now, None
            )
            await upsert_participants(db, school.tenant.id, [stay])
            words = f"Subtracting, says {name}"
            said.append(segment(school, session_id, number, account, words, 10, 20))
        await insert_segments(db, school.tenant.id, said)
    return session_id


async def reads(school: School, name: str) -> list[tuple[str, str | None, str]]:
    """Who read this person's words: role, name and route, newest first."""
    answer = await school.get("/api/me/reads", name)
    return [(one["readerRole"], one["readerName"], one["route"]) for one in answer["reads"]]


async def test_person_sees_who_read_their_words_where_and_when(
    school: School, session_id: str
) -> None:
    await school.get(f"/api/sessions/{session_id}/transcript", "Otto", "teacher")
    answer = await school.get("/api/me/reads", "Amina")
    assert answer["reads"] == [
        {
            "at": school.clock.now.strftime("%Y-%m-%dT%H:%M:00Z"),
            "readerRole": "teacher",
            "readerName": "Otto",
            "route": "transcript",
            "sessionId": session_id,
            "sessionStartedAt": answer["reads"][0]["sessionStartedAt"],
            "moduleTitle": school.modules[0].title,
        }
    ]
    assert answer["reads"][0]["sessionStartedAt"] is not None
    assert await reads(school, "Bilal") == [("teacher", "Otto", "transcript")]


@pytest.mark.parametrize("form", ["json", "txt", "vtt", "feed"])
async def test_every_format_of_a_transcript_is_recorded(
    school: School, session_id: str, form: str
) -> None:
    path = f"/api/sessions/{session_id}/transcript?format={form}"
    answer = await school.client.get(path, headers=school.auth("Ada", "admin"))
    assert "says Amina" in answer.text
    assert await reads(school, "Amina") == [("admin", "Ada", "transcript")]


async def test_classmate_who_reads_and_searches_a_shared_transcript_is_recorded(
    school: School, session_id: str
) -> None:
    await school.get(f"/api/sessions/{session_id}/transcript", "Bilal")
    school.clock.pass_(minutes=1)
    found = await school.get("/api/me/transcripts", "Bilal", params={"q": "subtracting"})
    assert len(found["hits"]) == 2
    expected = [("learner", "Bilal", "search"), ("learner", "Bilal", "transcript")]
    assert await reads(school, "Amina") == expected
    assert await reads(school, "Bilal") == []  # own words


async def test_answer_is_recorded_for_the_learner_it_was_said_to(school: School) -> None:
    session_id = (await school.open("Amina"))["sessionId"]
    amina = await school.account("Amina")
    answer = segment(school, session_id, 1, None, "You asked about labels.", 10, 20)
    answer = replace(answer, to_account_id=amina.id)
    await school.open("Bilal")
    bilal = await school.account("Bilal")
    stay = ParticipantRow(UUID(session_id), "PA_Bilal", bilal.id, school.clock.now, None)
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await upsert_participants(db, school.tenant.id, [stay])
        await insert_segments(db, school.tenant.id, [answer])
    await school.get(f"/api/sessions/{session_id}/transcript", "Otto", "teacher")
    school.clock.pass_(minutes=1)
    await school.get(f"/api/sessions/{session_id}/transcript", "Bilal")
    school.clock.pass_(minutes=1)
    await school.get("/api/me/transcripts", "Bilal", params={"q": "labels"})
    assert await reads(school, "Amina") == [
        ("learner", "Bilal", "search"),
        ("learner", "Bilal", "transcript"),
        ("teacher", "Otto", "transcript"),
    ]


async def test_reads_within_a_minute_are_one_entry(school: School, session_id: str) -> None:
    school.clock.now = school.clock.now.replace(second=5)
    for seconds in (0, 50, 50):
        school.clock.pass_(seconds=seconds)
        await school.get(f"/api/sessions/{session_id}/transcript", "Otto", "teacher")
    assert await reads(school, "Amina") == 2 * [("teacher", "Otto", "transcript")]


async def test_no_words_are_sent_if_the_read_cannot_be_recorded(
    school: School, session_id: str, database: Database
) -> None:
    owner = await asyncpg.connect(database.dsn("postgres"))
    await owner.execute("revoke insert on access_log from bodh_app")
    await owner.close()
    answer = await school.client.get(
        f"/api/sessions/{session_id}/transcript", headers=school.auth("Otto", "teacher")
    )
    assert answer.status_code == 500
    assert "says" not in answer.text


@pytest.mark.parametrize(
    "statement", ["delete from access_log", "update access_log set route = 'search'"]
)
async def test_application_cannot_change_what_was_recorded(
    school: School, session_id: str, statement: str
) -> None:
    await school.get(f"/api/sessions/{session_id}/transcript", "Otto", "teacher")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await school.rows(statement)
    assert len(await reads(school, "Amina")) == 1


async def test_entry_outlives_its_reader_and_its_session(
    school: School, session_id: str, database: Database
) -> None:
    await school.get(f"/api/sessions/{session_id}/transcript", "Otto", "teacher")
    otto = await school.account("Otto", "teacher")
    superuser = await asyncpg.connect(database.dsn("postgres"))
    async with superuser.transaction():
        await set_tenant(superuser, school.tenant.id)
        await superuser.execute("alter table session_state_events disable trigger all")
        await superuser.execute("delete from accounts where id = $1", otto.id)
        await superuser.execute("delete from sessions where id = $1", UUID(session_id))
    await superuser.close()
    (entry,) = (await school.get("/api/me/reads", "Amina"))["reads"]
    assert (entry["readerRole"], entry["readerName"]) == ("teacher", None)
    assert (entry["sessionId"], entry["moduleTitle"]) == (None, None)


async def test_reads_are_shown_to_nobody_else(school: School, session_id: str) -> None:
    await school.get(f"/api/sessions/{session_id}/transcript", "Otto", "teacher")
    assert await reads(school, "Chen") == []
    answer: Any = await school.client.get("/api/me/reads")
    assert answer.status_code == 401
