"""Teachers over HTTP: they see what is said in their own courses, and nothing of others."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from db import tenant_tx
from db.accounts import Account
from db.attendance import upsert_participants
from db.course_staff import delete_staff, upsert_staff_role
from db.stays import ParticipantRow
from db.transcripts import insert_segments
from tests.web.conftest import School
from tests.web.test_transcripts import segment


@pytest.fixture
async def session_id(school: School) -> str:
    """Amina's session, in a course that Otto teaches. Pia teaches another course."""
    session_id: str = (await school.open("Amina"))["sessionId"]
    amina, otto = await school.account("Amina"), await school.account("Otto", "teacher")
    async with tenant_tx(school.pool, school.tenant.id) as db:
        said = segment(school, session_id, 1, amina, "my grandmother keeps bees", 1, 2)
        await insert_segments(db, school.tenant.id, [said])
        await upsert_staff_role(db, school.tenant.id, school.course.id, otto.id, "teacher")
    return session_id


def requests_for(school: School, session_id: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Method, path and query of each operation that takes the id of a session."""
    for path, operations in school.app.openapi()["paths"].items():
        for method, operation in operations.items():
            names = {parameter["name"] for parameter in operation.get("parameters", [])}
            if "session_id" in names:
                yield method, path.format(session_id=session_id, identity="l_amina"), {}
            if "sessionId" in names:
                yield method, path, {"sessionId": session_id}


async def test_teacher_of_another_course_gets_the_answer_for_an_unknown_session(
    school: School, session_id: str
) -> None:
    tried = 0
    unknown = requests_for(school, str(UUID(int=0)))
    for known, nothing in zip(requests_for(school, session_id), unknown, strict=True):
        first, second = [
            await school.client.request(
                method,
                path,
                params=query,
                json={"restriction": "removed"} if method == "put" else None,
                headers=school.auth("Pia", "teacher"),
            )
            for method, path, query in (known, nothing)
        ]
        assert (first.status_code, first.content) == (second.status_code, second.content), known
        assert first.status_code in (403, 404), known
        tried += 1
    assert tried >= 3


async def test_teacher_of_the_course_and_admins_read_its_sessions(
    school: School, session_id: str
) -> None:
    for name, role in (("Otto", "teacher"), ("Ada", "admin")):
        told = await school.get(f"/api/sessions/{session_id}/transcript", name, role)
        assert [one["id"] for one in told["segments"]] == ["s1"]


async def test_teacher_of_another_course_reads_what_they_heard_in_the_room(
    school: School, session_id: str
) -> None:
    pia = await school.account("Pia", "teacher")
    answer = await school.client.post(school.page(), headers=school.auth("Pia", "teacher"))
    assert answer.status_code == 200
    came = school.clock.now + timedelta(seconds=30)
    async with tenant_tx(school.pool, school.tenant.id) as db:
        stay = ParticipantRow(UUID(session_id), "PA_P", pia.id, came, None)
        await upsert_participants(db, school.tenant.id, [stay])
        amina = await school.account("Amina")
        heard = segment(school, session_id, 2, amina, "is this a label?", 60, 62)
        await insert_segments(db, school.tenant.id, [heard])
    told = await school.get(f"/api/sessions/{session_id}/transcript", "Pia", "teacher")
    assert [one["id"] for one in told["segments"]] == ["s2"]


async def test_course_without_staff_is_read_by_all_teachers_of_the_tenant(
    school: School, session_id: str
) -> None:
    otto: Account = await school.account("Otto", "teacher")
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await delete_staff(db, school.tenant.id, school.course.id, otto.id)
    told = await school.get(f"/api/sessions/{session_id}/transcript", "Pia", "teacher")
    assert [one["id"] for one in told["segments"]] == ["s1"]
