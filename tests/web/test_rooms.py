"""Entering a room: page call, token, metadata, opener, session, agent, lesson change."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from livekit import api, rtc
from pydantic import SecretStr

import rooms
from db import tenant_tx
from db.accounts import Account
from db.attendance import upsert_participants
from db.leases import update_heartbeat
from db.stays import ParticipantRow
from harness.stack import free_port
from protocol import parse_dispatch, parse_metadata
from tests.web.conftest import School

GRANTS = {
    "roomJoin": True,
    "canPublish": True,
    "canSubscribe": True,
    "canPublishData": True,
}


def decoded(school: School, token: str) -> dict[str, Any]:
    """The claims of a join token, its signature checked."""
    secret = school.settings.livekit_api_secret.get_secret_value()
    claims: dict[str, Any] = jwt.decode(token, secret, algorithms=["HS256"])
    return claims


@pytest.fixture
async def joined(school: School) -> AsyncIterator[Any]:
    """Joins rooms of opened pages, and leaves them at the end."""
    inside: list[rtc.Room] = []

    async def join(page: Any) -> rtc.Room:
        room = await school.join(page)
        inside.append(room)
        return room

    yield join
    for room in inside:
        await room.disconnect()


async def ask_token(
    school: School, name: str, body: Any = None, role: str = "learner", **query: str
) -> Any:
    return await school.client.post(
        "/api/livekit/token", headers=school.auth(name, role), json=body, params=query
    )


async def live_agent(school: School, session_id: str, epoch: int = 1) -> bool:
    """One heartbeat, as the agent job of an epoch writes it."""
    async with tenant_tx(school.pool, school.tenant.id) as db:
        return await update_heartbeat(
            db, school.tenant.id, UUID(session_id), epoch, school.clock.now
        )


# the page


async def test_module_page_has_everything_in_one_response(school: School) -> None:
    page = await school.open("Amina")
    module, lessons = school.modules[0], school.lessons[0]
    assert page["course"] == {
        "id": str(school.course.id),
        "title": school.course.title,
        "description": school.course.description,
        "learningObjectives": list(school.course.learning_objectives),
    }
    assert (page["module"]["id"], page["module"]["title"]) == (str(module.id), module.title)
    assert [x["id"] for x in page["module"]["lessons"]] == [
        str(x.id) for x in lessons if x.is_published
    ]
    assert set(page["module"]["lessons"][0]) == {
        "id",
        "title",
        "orderIndex",
        "kpointVideoId",
        "youtubeVideoId",
        "description",
        "duration",
        "quiz",
    }
    assert page["userName"] == "Amina"
    assert page["roomName"] == f"{school.course.id}-{module.id}"
    assert page["wsUrl"] == school.settings.livekit_client_url
    assert page["lessonId"] == str(lessons[0].id)
    assert page["sessionType"] == {
        "sessionType": "course_welcome",
        "isFirstCourseVisit": True,
        "isIntroLesson": True,
        "isFirstLessonVisit": True,
        "lessonNumber": 1,
        "prevLessonTitle": None,
        "courseProgress": {"completedLessons": 0, "totalLessons": 6, "lastLessonTitle": None},
        "lessonProgress": None,
    }
    assert UUID(page["sessionId"])


async def test_a_join_token_has_exactly_these_grants(school: School) -> None:
    page = await school.open("Amina")
    account = await school.account("Amina")
    claims = decoded(school, page["liveKitToken"])
    assert set(claims) == {"sub", "iss", "nbf", "exp", "name", "metadata", "video"}
    assert claims["video"] == {**GRANTS, "room": page["roomName"]}
    assert (claims["sub"], claims["name"]) == (account.identity, "Amina")
    assert claims["exp"] - claims["nbf"] == timedelta(hours=24).total_seconds()


async def test_identity_reveals_nothing_about_the_account(school: School) -> None:
    identities = [(await school.account(name)).identity for name in ("Amina", "Bilal")]
    host = (await school.account("Otto", "teacher")).identity
    assert all(x.startswith("l_") and len(x) > 22 for x in identities)
    assert host.startswith("m_")
    assert identities[0] != identities[1]


async def test_metadata_has_exactly_the_documented_keys(school: School) -> None:
    page = await school.open("Amina", 1, school.lessons[1][1])
    account = await school.account("Amina")
    lesson = school.lessons[1][1]
    expected = {
        "agent_type": "bodh-agent",
        "courseId": str(school.course.id),
        "courseTitle": school.course.title,
        "moduleId": str(school.modules[1].id),
        "moduleTitle": school.modules[1].title,
        "lessonId": str(lesson.id),
        "lessonTitle": lesson.title,
        "lessonNumber": 5,
        "videoIds": [],
        "learningObjectives": list(school.course.learning_objectives),
        "userId": str(account.id),
        "userName": "Amina",
        "sessionType": "lesson_welcome",
        "isFirstCourseVisit": True,
        "isIntroLesson": False,
        "prevLessonTitle": school.lessons[1][0].title,
        "revision": 0,
    }
    answer = await ask_token(school, "Amina", {"room_name": page["roomName"]})
    assert json.loads((await school.live_room(1)).metadata) == expected
    assert answer.json()["metadata"] == expected
    assert json.loads(decoded(school, page["liveKitToken"])["metadata"]) == public(
        expected, account
    )


def public(own: dict[str, Any], account: Account) -> dict[str, Any]:
    """What classmates may read of an account's own metadata."""
    private = ("sessionType", "isFirstCourseVisit")
    kept = {name: value for name, value in own.items() if name not in private}
    return kept | {"userId": account.identity}


async def test_classmates_cannot_read_private_facts_in_a_shared_room(
    school: School, joined: Any
) -> None:
    amina = await joined(await school.open("Amina"))
    alone = json.loads((await school.live_room()).metadata)
    assert alone["userId"] == str((await school.account("Amina")).id)
    page = await school.open("Bilal")
    shared = (await school.live_room()).metadata  # as it is before Bilal can have joined
    bilal = await joined(page)
    await change(school, "Amina", school.lessons[0][1].id)
    await change(school, "Bilal", school.lessons[0][2].id)
    await school.open("Amina")
    seen = [shared, amina.metadata, bilal.metadata, (await school.live_room()).metadata]
    for room in (amina, bilal):
        seen += [one.metadata for one in room.remote_participants.values()]
        seen.append(room.local_participant.metadata)
    assert json.loads(shared) == public(alone, await school.account("Amina"))
    assert len(seen) == 8
    accounts = [str((await school.account(name)).id) for name in ("Amina", "Bilal")]
    for text in seen:
        assert json.loads(text)["userName"] in ("Amina", "Bilal")
        assert not any(word in text for word in ("sessionType", "FirstCourseVisit", "storeWords"))
        assert not any(account_id in text for account_id in accounts)


async def test_the_videos_of_a_lesson_are_in_the_metadata(school: School) -> None:
    await school.rows(
        "update lessons set kpoint_video_id = 'k-1', youtube_video_id = 'y-1' where id = $1",
        school.lessons[0][0].id,
    )
    await school.open("Amina")
    metadata = json.loads((await school.live_room()).metadata)
    assert (metadata["videoIds"], metadata["youtubeVideoId"]) == (["k-1"], "y-1")


async def test_room_has_the_timeouts_of_the_settings(school: School) -> None:
    await school.open("Amina")
    room = await school.live_room()
    assert (room.empty_timeout, room.departure_timeout) == (600, 600)


@pytest.mark.parametrize("lesson", ["", "nothing", "%00", "00000000-0000-0000-0000-000000000000"])
async def test_a_lesson_that_is_not_in_the_module_opens_the_first(
    school: School, lesson: str
) -> None:
    page = await school.enter(f"{school.page()}?lesson={lesson}", "Amina")
    assert page["lessonId"] == str(school.lessons[0][0].id)


async def test_a_lesson_of_another_module_opens_the_first(school: School) -> None:
    page = await school.open("Amina", 0, school.lessons[1][0])
    assert page["lessonId"] == str(school.lessons[0][0].id)


async def test_an_unpublished_lesson_opens_for_staff_without_a_number(school: School) -> None:
    hidden = school.lessons[0][-1]
    learner = await school.open("Amina", 0, hidden)
    staff = await school.enter(school.page(), "Otto", "teacher", params={"lesson": str(hidden.id)})
    assert learner["lessonId"] == str(school.lessons[0][0].id)
    assert staff["lessonId"] == str(hidden.id)
    assert staff["sessionType"]["lessonNumber"] is None


async def test_a_module_without_lessons_opens_with_none(school: School) -> None:
    await school.rows("delete from lessons where module_id = $1", school.modules[0].id)
    page = await school.open("Amina")
    metadata = json.loads((await school.live_room()).metadata)
    assert (page["lessonId"], metadata["lessonId"]) == (None, None)


@pytest.mark.parametrize("key", ["course", "module"])
async def test_unknown_or_malformed_id_in_the_page_call_is_not_found(
    library: School, key: str
) -> None:
    for odd in (str(uuid4()), "%00", "x" * 500, "%ed%a0%80"):
        course, module = library.course.slug, str(library.modules[0].id)
        path = f"/api/v2/course/{odd if key == 'course' else course}/module/"
        path += odd if key == "module" else module
        answer = await library.client.post(path, headers=library.auth("Amina"))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_module_of_another_course_is_not_found(school: School) -> None:
    await school.rows(
        "insert into courses (tenant_id, slug, title) values ($1, 'other', 'Other')",
        school.tenant.id,
    )
    answer = await school.client.post(
        f"/api/v2/course/other/module/{school.modules[0].id}", headers=school.auth("Amina")
    )
    assert answer.status_code == 404


async def test_opening_enrols_once_and_writes_no_progress(school: School) -> None:
    pages = await asyncio.gather(*(school.open("Amina") for _ in range(8)))
    assert len(await school.rows("select 1 from enrollments")) == 1
    assert await school.rows("select 1 from lesson_progress") == []
    assert len({page["sessionId"] for page in pages}) == 1
    assert len(await school.dispatches()) == 1


# the token endpoint


async def test_a_token_by_room_name_or_by_course_and_module_is_the_same(school: School) -> None:
    page = await school.open("Amina")
    by_name = await ask_token(school, "Amina", {"room_name": page["roomName"]})
    by_ids = await ask_token(
        school, "Amina", courseId=school.course.slug, moduleId=str(school.modules[0].id)
    )
    assert (by_name.status_code, by_ids.status_code) == (201, 201)
    assert set(by_name.json()) == {
        "server_url",
        "participant_token",
        "room_name",
        "session_id",
        "metadata",
        "may_restrict",
    }
    for answer in (by_name.json(), by_ids.json()):
        assert answer["server_url"] == page["wsUrl"]
        assert answer["room_name"] == page["roomName"]
        assert answer["session_id"] == page["sessionId"]
        claims = decoded(school, answer["participant_token"])
        assert claims["video"] == {**GRANTS, "room": page["roomName"]}


async def test_identity_metadata_and_agents_of_the_request_are_ignored(school: School) -> None:
    page = await school.open("Amina")
    answer = await ask_token(
        school,
        "Amina",
        {
            "room_name": page["roomName"],
            "participant_identity": "a_forged",
            "participant_name": "Head teacher",
            "participant_metadata": "{}",
            "participant_attributes": {"lk.agent_name": "bodh-agent"},
            "room_config": {"agents": [{"agent_name": "other"}], "metadata": "mine"},
            "grants": {"roomAdmin": True},
        },
    )
    claims = decoded(school, answer.json()["participant_token"])
    assert set(claims) == {"sub", "iss", "nbf", "exp", "name", "metadata", "video"}
    assert (claims["sub"], claims["name"]) == ((await school.account("Amina")).identity, "Amina")
    assert claims["video"] == {**GRANTS, "room": page["roomName"]}
    assert parse_metadata(claims["metadata"]) is not None


@pytest.mark.parametrize("body", [None, {}, {"room_config": {}}, {"room_name": None}])
async def test_a_token_request_that_names_no_room_is_422(library: School, body: Any) -> None:
    answer = await ask_token(library, "Amina", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("name", ["nothing", "a\0b", "x" * 256])
async def test_unknown_or_malformed_room_is_refused(library: School, name: str) -> None:
    answer = await ask_token(library, "Amina", {"room_name": name})
    assert answer.status_code in (404, 422)


async def test_token_without_a_lesson_keeps_the_last_one(school: School) -> None:
    page = await school.open("Amina", 0, school.lessons[0][2])
    answer = await ask_token(school, "Amina", {"room_name": page["roomName"]})
    metadata = parse_metadata(decoded(school, answer.json()["participant_token"])["metadata"])
    assert metadata is not None
    assert metadata.lesson_id == str(school.lessons[0][2].id)


async def test_tokens_are_never_cached(school: School) -> None:
    page = await school.client.post(school.page(), headers=school.auth("Amina"))
    token = await ask_token(school, "Amina", {"room_name": school.room()})
    assert {page.headers["cache-control"], token.headers["cache-control"]} == {"no-store"}


async def test_rate_limit_is_per_account(school: School) -> None:
    school.settings.rate_token_per_minute = 2
    school.clock.now = school.clock.now.replace(second=10)
    codes = [
        (await school.client.post(school.page(), headers=school.auth("Amina"))).status_code,
        (await ask_token(school, "Amina", {"room_name": school.room()})).status_code,
        (await ask_token(school, "Amina", {"room_name": school.room()})).status_code,
        (await ask_token(school, "Bilal", {"room_name": school.room()})).status_code,
    ]
    school.clock.pass_(minutes=1)
    codes.append((await ask_token(school, "Amina", {"room_name": school.room()})).status_code)
    assert codes == [200, 201, 429, 201, 201]


async def test_failed_requests_count_against_the_rate(school: School) -> None:
    school.settings.rate_token_per_minute = 1
    school.clock.now = school.clock.now.replace(second=10)
    missing = await ask_token(school, "Amina", {"room_name": "nothing"})
    again = await ask_token(school, "Amina", {"room_name": "nothing"})
    assert (missing.status_code, again.status_code) == (404, 429)
    assert again.headers["retry-after"] == "60"


async def test_private_room_admits_only_its_learner(school: School) -> None:
    school.settings.room_scope = "learner"
    mine, theirs = await school.open("Amina"), await school.open("Bilal")
    foreign = await ask_token(school, "Bilal", {"room_name": mine["roomName"]})
    own = await ask_token(school, "Bilal", {"room_name": theirs["roomName"]})
    for page in (mine, theirs):
        await rooms.close_room(school.lk, page["roomName"])
    assert mine["roomName"] != theirs["roomName"]
    assert mine["roomName"].startswith(school.room() + "-")
    assert (foreign.status_code, own.status_code) == (404, 201)


@pytest.mark.parametrize("broken", ["away", "key"])
async def test_without_the_media_server_there_is_no_token(school: School, broken: str) -> None:
    if broken == "away":
        school.settings.livekit_url = f"ws://127.0.0.1:{free_port()}"
    else:
        school.settings.livekit_api_secret = SecretStr("another-secret-of-enough-bytes-for-hs256")
    context = school.app.state.context
    working, context.lk = context.lk, rooms.make_media_client(school.settings)
    try:
        page = await school.client.post(school.page(), headers=school.auth("Amina"))
        token = await ask_token(
            school, "Amina", courseId=school.course.slug, moduleId=str(school.modules[0].id)
        )
        ready = await school.client.get("/readyz")
    finally:
        await context.lk.aclose()
        context.lk = working
    codes = [(a.status_code, a.json()["code"]) for a in (page, token, ready)]
    assert codes == [(503, "livekit_token_failed")] * 3


# who the room's metadata is about


async def test_second_learner_leaves_the_openers_metadata(school: School, joined: Any) -> None:
    await joined(await school.open("Amina"))
    before = json.loads((await school.live_room()).metadata)
    second = await school.open("Bilal", 0, school.lessons[0][1])
    metadata = parse_metadata(decoded(school, second["liveKitToken"])["metadata"])
    after = json.loads((await school.live_room()).metadata)
    assert after == public(before, await school.account("Amina"))
    assert metadata is not None
    assert (metadata.user_name, metadata.lesson_id) == ("Bilal", str(school.lessons[0][1].id))


async def test_first_learner_in_an_empty_room_becomes_its_opener(school: School) -> None:
    await school.open("Amina")
    await school.open("Bilal")
    metadata = json.loads((await school.live_room()).metadata)
    assert metadata["userName"] == "Bilal"


async def test_opener_entering_with_another_lesson_changes_the_room_metadata(
    school: School, joined: Any
) -> None:
    room = await joined(await school.open("Amina"))
    seen: asyncio.Queue[str] = asyncio.Queue()
    room.on("room_metadata_changed", lambda old, new: seen.put_nowait(new))
    await school.open("Amina", 0, school.lessons[0][1])
    metadata = json.loads(await asyncio.wait_for(seen.get(), 5))
    assert (metadata["lessonId"], metadata["revision"]) == (str(school.lessons[0][1].id), 1)


async def test_long_objectives_are_shortened_in_the_metadata(school: School) -> None:
    await school.rows(
        "update courses set learning_objectives = $2 where id = $1",
        school.course.id,
        [f"objective {n} " + "x" * 500 for n in range(40)],
    )
    page = await school.open("Amina")
    room = await school.live_room()
    assert len(room.metadata.encode()) <= 8 * 1024
    assert len(decoded(school, page["liveKitToken"])["metadata"].encode()) <= 4 * 1024
    assert len(page["course"]["learningObjectives"]) == 40


# the lesson change


async def change(school: School, name: str, lesson_id: UUID, room: str | None = None) -> Any:
    return await school.client.post(
        f"/api/rooms/{room or school.room()}/lesson",
        headers=school.auth(name),
        json={"lessonId": str(lesson_id)},
    )


async def test_lesson_change_raises_the_revision_and_updates_all_keys(
    school: School, joined: Any
) -> None:
    room = await joined(await school.open("Amina"))
    seen: asyncio.Queue[str] = asyncio.Queue()
    room.on("room_metadata_changed", lambda old, new: seen.put_nowait(new))
    lesson = school.lessons[0][2]
    answer = await change(school, "Amina", lesson.id)
    metadata = json.loads(await asyncio.wait_for(seen.get(), 5))
    assert answer.json() == {"lessonId": str(lesson.id), "revision": 1}
    expected = {
        "lessonId": str(lesson.id),
        "lessonTitle": lesson.title,
        "lessonNumber": 3,
        "sessionType": "lesson_welcome",
        "isIntroLesson": False,
        "prevLessonTitle": school.lessons[0][1].title,
        "revision": 1,
    }
    assert {name: metadata[name] for name in expected} == expected


async def test_the_same_lesson_again_changes_nothing(school: School) -> None:
    await school.open("Amina")
    answers = [
        (await change(school, "Amina", school.lessons[0][n].id)).json()["revision"]
        for n in (1, 1, 2, 2)
    ]
    assert answers == [1, 1, 2, 2]


async def test_lesson_change_of_a_second_learner_reaches_their_own_metadata(
    school: School, joined: Any
) -> None:
    await joined(await school.open("Amina"))
    await joined(await school.open("Bilal"))
    before = (await school.live_room()).metadata
    answer = await change(school, "Bilal", school.lessons[0][1].id)
    bilal = await school.lk.room.get_participant(
        api.RoomParticipantIdentity(
            room=school.room(), identity=(await school.account("Bilal")).identity
        )
    )
    metadata = json.loads(bilal.metadata)
    assert (metadata["userName"], metadata["revision"]) == ("Bilal", answer.json()["revision"])
    assert (await school.live_room()).metadata == before


async def test_ten_changes_at_once_leave_the_newest_in_the_room(school: School) -> None:
    await school.open("Amina")
    lessons = school.lessons[0][:3]
    await asyncio.gather(*(change(school, "Amina", lessons[n % 3].id) for n in range(10)))
    (row,) = await school.rows("select lesson_id, revision from room_learners")
    metadata = json.loads((await school.live_room()).metadata)
    assert (metadata["lessonId"], metadata["revision"]) == (str(row["lesson_id"]), row["revision"])


async def test_a_change_is_stored_when_the_room_no_longer_exists(school: School) -> None:
    page = await school.open("Amina")
    await rooms.close_room(school.lk, page["roomName"])
    answer = await change(school, "Amina", school.lessons[0][1].id)
    again = await ask_token(school, "Amina", {"room_name": page["roomName"]})
    metadata = json.loads((await school.live_room()).metadata)
    assert (answer.status_code, again.status_code) == (200, 201)
    assert (metadata["lessonId"], metadata["revision"]) == (str(school.lessons[0][1].id), 1)


async def test_lesson_change_is_limited_to_visible_lessons_of_the_module(school: School) -> None:
    await school.open("Amina")
    await school.account("Bilal")
    codes = {
        "own": (await change(school, "Amina", school.lessons[0][1].id)).status_code,
        "outsider": (await change(school, "Bilal", school.lessons[0][1].id)).status_code,
        "unpublished": (await change(school, "Amina", school.lessons[0][-1].id)).status_code,
        "other module": (await change(school, "Amina", school.lessons[1][0].id)).status_code,
        "unknown": (await change(school, "Amina", uuid4())).status_code,
        "no room": (await change(school, "Amina", school.lessons[0][1].id, "none")).status_code,
    }
    assert codes == {
        "own": 200,
        "outsider": 403,
        "unpublished": 404,
        "other module": 404,
        "unknown": 404,
        "no room": 404,
    }


async def test_a_malformed_change_is_422(school: School) -> None:
    await school.open("Amina")
    answer = await school.client.post(
        f"/api/rooms/{school.room()}/lesson",
        headers=school.auth("Amina"),
        json={"lessonId": "second"},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


# session and agent


async def test_dispatch_names_tenant_session_epoch_and_kind(school: School) -> None:
    page = await school.open("Amina")
    (text,) = await school.dispatches()
    dispatch = parse_dispatch(text)
    assert dispatch is not None
    assert (str(dispatch.session_id), dispatch.epoch) == (page["sessionId"], 1)
    assert json.loads(text)["kind"] == "tutor"
    assert dispatch.tenant_id == school.tenant.id


async def test_second_entry_dispatches_no_second_agent(school: School) -> None:
    page = await school.open("Amina")
    school.clock.pass_(minutes=1)
    again = await school.open("Amina")
    epochs = [d.epoch for d in map(parse_dispatch, await school.dispatches()) if d]
    assert (epochs, again["sessionId"]) == ([1], page["sessionId"])


async def test_learner_entering_a_room_with_only_an_agent_becomes_its_opener(
    school: School, joined: Any
) -> None:
    page = await school.open("Amina")
    token = (
        api.AccessToken(
            school.settings.livekit_api_key, school.settings.livekit_api_secret.get_secret_value()
        )
        .with_identity("a_test")
        .with_kind("agent")
        .with_grants(api.VideoGrants(room_join=True, room=page["roomName"], agent=True))
        .to_jwt()
    )
    await joined({"wsUrl": page["wsUrl"], "liveKitToken": token})
    await school.open("Bilal")
    assert json.loads((await school.live_room()).metadata)["userName"] == "Bilal"


async def test_entry_after_a_closed_room_starts_a_new_session(school: School) -> None:
    first = await school.open("Amina")
    await rooms.close_room(school.lk, first["roomName"])
    school.clock.pass_(minutes=2)
    second = await school.open("Amina")
    rows = await school.rows("select id, status from sessions order by started_at")
    assert [(str(row["id"]), row["status"]) for row in rows] == [
        (first["sessionId"], "completed"),
        (second["sessionId"], "active"),
    ]


async def test_entry_after_a_lost_room_continues_the_session(school: School) -> None:
    first = await school.open("Amina")
    school.clock.pass_(minutes=30)
    assert await live_agent(school, first["sessionId"])
    await rooms.close_room(school.lk, first["roomName"])
    school.clock.pass_(seconds=1)
    second = await school.open("Amina")
    (row,) = await school.rows("select room_sid, agent_epoch from sessions")
    assert (second["sessionId"], row["agent_epoch"]) == (first["sessionId"], 2)
    assert row["room_sid"] == (await school.live_room()).sid


async def test_room_lost_long_ago_with_learners_in_it_continues_the_session(school: School) -> None:
    first = await school.open("Amina")
    amina = await school.account("Amina")
    async with tenant_tx(school.pool, school.tenant.id) as db:
        here = ParticipantRow(UUID(first["sessionId"]), "PA_1", amina.id, school.clock.now, None)
        await upsert_participants(db, school.tenant.id, [here])
    await rooms.close_room(school.lk, first["roomName"])
    school.clock.pass_(minutes=3)
    second = await school.open("Amina")
    assert second["sessionId"] == first["sessionId"]


async def test_closing_a_room_twice_succeeds(school: School) -> None:
    page = await school.open("Amina")
    await rooms.close_room(school.lk, page["roomName"])
    await rooms.close_room(school.lk, page["roomName"])


async def test_old_token_cannot_open_a_closed_room(school: School) -> None:
    page = await school.open("Amina")
    await rooms.close_room(school.lk, page["roomName"])
    with pytest.raises(rtc.ConnectError):
        await school.join(page)
