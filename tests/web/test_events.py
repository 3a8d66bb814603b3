"""The event log over HTTP: what entering a room logs, and that only admins read it."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from db import tenant_tx
from db.attendance import upsert_participants
from db.event_chain import SessionEvent, first_broken_seq
from db.event_kinds import parse_event
from db.session_view import fold_session
from db.stays import ParticipantRow
from rooms import close_room
from tests.web.conftest import School


def rows_of(log: Any) -> list[SessionEvent]:
    """A response as rows of the log, to verify the chain."""
    return [
        SessionEvent(
            session_id=UUID(log["sessionId"]),
            seq=event["seq"],
            type=event["type"],
            version=event["version"],
            at=datetime.fromisoformat(event["at"]),
            payload=event["payload"],
            hash=bytes.fromhex(event["hash"]),
        )
        for event in log["events"]
    ]


async def read(school: School, page: Any) -> Any:
    """The log of an opened page's session."""
    return await school.get(f"/api/sessions/{page['sessionId']}/events", "Otto", "admin")


async def test_entering_a_room_logs_session_agent_and_lesson(school: School) -> None:
    page = await school.open("Amina")
    log = await read(school, page)
    (room,) = await school.rows("select id from livekit_rooms")
    amina = await school.account("Amina")
    assert log["sessionId"] == page["sessionId"]
    assert [(e["seq"], e["type"], e["version"], e["payload"]) for e in log["events"]] == [
        (
            1,
            "session.started",
            1,
            {
                "kind": "tutor",
                "room_id": str(room["id"]),
                "room_sid": (await school.live_room()).sid,
            },
        ),
        (2, "agent.dispatched", 1, {"epoch": 1}),
        (
            3,
            "lesson.changed",
            2,
            {"identity": amina.identity, "lesson_id": page["lessonId"], "revision": 0},
        ),
    ]


async def test_response_is_enough_to_verify_the_chain(school: School) -> None:
    rows = rows_of(await read(school, await school.open("Amina")))
    assert first_broken_seq(rows) is None
    assert all(parse_event(row.type, row.version, row.payload) for row in rows)


async def test_entering_again_logs_only_what_changed(school: School) -> None:
    page = await school.open("Amina")
    await school.open("Amina")
    second, third = (lesson.id for lesson in school.lessons[0][1:3])
    await school.open("Amina", lesson=school.lessons[0][1])
    for lesson_id in (third, third):
        await school.client.post(
            f"/api/rooms/{school.room()}/lesson",
            headers=school.auth("Amina"),
            json={"lessonId": str(lesson_id)},
        )
    events = (await read(school, page))["events"]
    assert [event["type"] for event in events[2:]] == ["lesson.changed"] * 3
    assert [event["payload"]["lesson_id"] for event in events[2:]] == [
        page["lessonId"],
        str(second),
        str(third),
    ]


async def test_lost_room_and_closed_room_are_logged_differently(school: School) -> None:
    page = await school.open("Amina")
    await close_room(school.lk, page["roomName"])
    school.clock.pass_(seconds=20)
    await school.open("Amina")  # within a minute of its agent: the same session continues
    await close_room(school.lk, page["roomName"])
    school.clock.pass_(minutes=2)
    await school.open("Amina")
    assert [event["type"] for event in (await read(school, page))["events"]] == [
        "session.started",
        "agent.dispatched",
        "lesson.changed",
        "session.resumed",
        "agent.lost",
        "agent.dispatched",
        "session.ended",
    ]


async def test_entries_lesson_changes_and_the_drainer_do_not_block_each_other(
    school: School,
) -> None:
    names = ("Amina", "Bilal", "Chen")
    page = await school.open("Amina")
    people = [await school.account(name) for name in names]
    for name in names:
        await school.open(name)

    async def change(name: str, number: int) -> int:
        answer = await school.client.post(
            f"/api/rooms/{school.room()}/lesson",
            headers=school.auth(name),
            json={"lessonId": str(school.lessons[0][number % 3].id)},
        )
        return answer.status_code

    async def enter(name: str, number: int) -> int:
        if number == 3:  # the room is lost once on the way
            await close_room(school.lk, page["roomName"])
        return (await school.client.post(school.page(), headers=school.auth(name))).status_code

    async def drain(number: int) -> int:
        at = school.clock.now
        session_id = UUID(page["sessionId"])
        rows = [
            ParticipantRow(
                session_id, f"PA_{who}_{number}", person.id, at, at if number % 2 else None
            )
            for who, person in enumerate(people)
        ]
        async with tenant_tx(school.pool, school.tenant.id) as db:
            await upsert_participants(db, school.tenant.id, rows)
        return 200

    codes = await asyncio.gather(
        *(change(name, number) for name in names for number in range(8)),
        *(enter(name, number) for name in names for number in range(5)),
        *(drain(number) for number in range(8)),
    )
    assert set(codes) == {200}
    rows = rows_of(await read(school, page))
    view = fold_session(rows)
    assert first_broken_seq(rows) is None
    present = await school.rows("select sid from livekit_participants where left_at is null")
    learners = await school.rows(
        "select identity, lesson_id from room_learners join accounts on accounts.id = account_id"
    )
    assert sorted(view.present) == sorted(row["sid"] for row in present)
    assert view.lessons == {row["identity"]: row["lesson_id"] for row in learners}


@pytest.mark.parametrize(
    ("role", "tenant", "expected"),
    [
        ("learner", "default", 403),
        ("teacher", "default", 403),
        ("admin", "default", 200),
        ("admin", "other-school", 404),
    ],
)
async def test_only_admins_of_the_tenant_read_a_log(
    school: School, role: str, tenant: str, expected: int
) -> None:
    session_id = (await school.open("Amina"))["sessionId"]
    answer = await school.client.get(
        f"/api/sessions/{session_id}/events", headers=school.auth("Otto", role, tenant)
    )
    assert answer.status_code == expected


@pytest.mark.parametrize(("session_id", "expected"), [(uuid4(), 404), ("nothing", 422)])
async def test_unknown_or_malformed_session_has_no_log(
    library: School, session_id: Any, expected: int
) -> None:
    answer = await library.client.get(
        f"/api/sessions/{session_id}/events", headers=library.auth("Otto", "admin")
    )
    assert answer.status_code == expected
