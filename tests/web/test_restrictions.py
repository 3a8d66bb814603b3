"""Teachers keep order in a running session: they remove and mute learners, and let them back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from livekit import api, rtc

import rooms
from db import tenant_tx
from db.attendance import upsert_participants
from db.course_staff import upsert_staff_role
from db.events import list_events
from db.session_view import fold_session
from db.stays import ParticipantRow
from tests.web.conftest import School
from tests.web.test_rooms import ask_token, decoded
from tests.web.test_rooms import joined as joined

RATE = 48_000


async def restrict(
    school: School,
    session_id: str,
    identity: str,
    kind: str,
    name: str = "Tara",
    role: str = "teacher",
) -> Any:
    return await school.client.put(
        f"/api/sessions/{session_id}/restrictions/{identity}",
        headers=school.auth(name, role),
        json={"restriction": kind},
    )


async def refusal(school: School, session_id: str, name: str) -> str | None:
    told: str | None = (await school.get(f"/api/sessions/{session_id}/entry", name))["refusal"]
    return told


async def identity_of(school: School, name: str) -> str:
    return (await school.account(name)).identity


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await check():  # noqa: ASYNC110 the media server tells nobody
            await asyncio.sleep(0.05)


async def participants(school: School) -> dict[str, api.ParticipantInfo]:
    request = api.ListParticipantsRequest(room=school.room())
    listed = (await school.lk.room.list_participants(request)).participants
    gone = api.ParticipantInfo.State.DISCONNECTED
    return {one.identity: one for one in listed if one.state != gone}


async def publish(room: rtc.Room) -> None:
    track = rtc.LocalAudioTrack.create_audio_track("microphone", rtc.AudioSource(RATE, 1))
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await asyncio.wait_for(room.local_participant.publish_track(track, options), 5)


async def is_present(school: School, session_id: str, name: str) -> None:
    """As the media server's webhook reports it."""
    account = await school.account(name)
    stay = ParticipantRow(UUID(session_id), f"PA_{name}", account.id, school.clock.now, None)
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await upsert_participants(db, school.tenant.id, [stay])


async def test_removed_learner_leaves_the_room_and_gets_no_token_until_let_back(
    school: School, joined: Any
) -> None:
    page = await school.open("Mallory")
    session, identity = page["sessionId"], await identity_of(school, "Mallory")
    room = await joined(page)
    reasons: asyncio.Queue[int] = asyncio.Queue()
    room.on("disconnected", reasons.put_nowait)
    answer = await restrict(school, session, identity, "removed")
    reason = await asyncio.wait_for(reasons.get(), 5)
    refused = await ask_token(school, "Mallory", {"room_name": page["roomName"]})
    reopened = await school.client.post(school.page(), headers=school.auth("Mallory"))
    other = await ask_token(school, "Amina", {"room_name": page["roomName"]})
    await restrict(school, session, identity, "none")
    back = await ask_token(school, "Mallory", {"room_name": page["roomName"]})
    assert answer.status_code == 200
    assert [(one["identity"], one["kind"]) for one in answer.json()["restrictions"]] == [
        (identity, "removed")
    ]
    assert reason == rtc.DisconnectReason.PARTICIPANT_REMOVED
    assert (refused.status_code, refused.json()) == (
        403,
        {"error": "Your teacher has removed you from this session.", "code": "removed"},
    )
    assert (reopened.status_code, reopened.json()["liveKitToken"]) == (200, None)  # may read on
    assert (other.status_code, back.status_code) == (201, 201)


async def test_removed_learner_who_comes_back_with_an_old_token_is_removed_again(
    school: School, joined: Any
) -> None:
    page = await school.open("Mallory")
    identity = await identity_of(school, "Mallory")
    await restrict(school, page["sessionId"], identity, "removed")
    await joined(page)  # with the token of before
    assert identity in await participants(school)
    await is_present(school, page["sessionId"], "Mallory")
    await rooms.enforce_restrictions(school.lk, school.pool)

    async def is_gone() -> bool:
        return identity not in await participants(school)

    await eventually(is_gone)


async def test_muted_learner_cannot_publish_until_allowed_again(
    school: School, joined: Any
) -> None:
    page = await school.open("Mallory")
    session, identity = page["sessionId"], await identity_of(school, "Mallory")
    room = await joined(page)
    await publish(room)

    async def has_tracks() -> bool:
        return bool((await participants(school))[identity].tracks)

    async def has_no_tracks() -> bool:
        return not await has_tracks()

    await eventually(has_tracks)
    await restrict(school, session, identity, "muted")
    await eventually(has_no_tracks)
    with pytest.raises((rtc.participant.PublishTrackError, TimeoutError)):
        await publish(room)
    muted = await ask_token(school, "Mallory", {"room_name": page["roomName"]})
    assert decoded(school, muted.json()["participant_token"])["video"]["canPublish"] is False
    assert decoded(school, muted.json()["participant_token"])["video"]["canPublishData"] is True
    await restrict(school, session, identity, "none")
    await publish(room)
    await eventually(has_tracks)


async def test_only_staff_restrict_and_only_learners_are_restricted(school: School) -> None:
    page = await school.open("Mallory")
    session = page["sessionId"]
    teacher = await school.enter(school.page(), "Tara", "teacher")
    await school.open("Bilal")
    mallory, tara = await identity_of(school, "Mallory"), (await school.account("Tara", "teacher"))
    await school.account("Outsider")
    found = {
        "a classmate": await restrict(school, session, mallory, "removed", "Bilal", "learner"),
        "an outsider": await restrict(school, session, mallory, "removed", "Outsider", "learner"),
        "a teacher": await restrict(school, session, tara.identity, "removed", "Otto", "admin"),
        "nobody": await restrict(school, session, "l_nobody", "muted"),
        "a stranger": await restrict(
            school, session, await identity_of(school, "Outsider"), "muted"
        ),
        "the agent": await restrict(school, session, f"a_{session}_1", "removed"),
        "other kind": await restrict(school, session, mallory, "banned"),
        "no session": await restrict(school, str(UUID(int=7)), mallory, "removed"),
    }
    listed = await school.client.get(
        f"/api/sessions/{session}/restrictions", headers=school.auth("Bilal")
    )
    assert teacher["sessionId"] == session
    assert {who: answer.status_code for who, answer in found.items()} == {
        "a classmate": 403,
        "an outsider": 404,
        "a teacher": 403,
        "nobody": 404,
        "a stranger": 404,
        "the agent": 404,
        "other kind": 422,
        "no session": 404,
    }
    assert listed.status_code == 403
    assert await school.rows("select from room_restrictions") == []


async def test_page_learns_who_may_restrict_and_who_cannot_be_restricted(school: School) -> None:
    page = await school.open("Mallory")
    tara, otto = await school.account("Tara", "teacher"), await school.account("Otto", "teacher")
    await school.account("Uma", "teacher")  # never entered the room
    await school.account("Ada", "admin")
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await upsert_staff_role(db, school.tenant.id, school.course.id, tara.id, "teacher")
    flags = {}
    for name, role in (("Mallory", "learner"), ("Tara", "teacher"), ("Otto", "teacher")):
        answer = await ask_token(school, name, {"room_name": page["roomName"]}, role=role)
        flags[name] = answer.json()["may_restrict"]
    admin = await ask_token(school, "Ada", {"room_name": page["roomName"]}, role="admin")
    shown = await school.get(f"/api/sessions/{page['sessionId']}/restrictions", "Tara", "teacher")
    ada = await school.account("Ada", "admin")
    assert flags == {"Mallory": False, "Tara": True, "Otto": False}
    assert admin.json()["may_restrict"] is True
    assert set(shown["exempt"]) == {tara.identity, otto.identity, ada.identity}


async def test_restrictions_are_logged_by_identity_and_end_with_the_session(
    school: School,
) -> None:
    page = await school.open("Mallory")
    session, identity = page["sessionId"], await identity_of(school, "Mallory")
    for kind in ("muted", "muted", "removed", "none", "none", "removed"):
        await restrict(school, session, identity, kind)
    async with tenant_tx(school.pool, school.tenant.id) as db:
        events = await list_events(db, school.tenant.id, UUID(session))
    teacher = (await school.account("Tara", "teacher")).identity
    logged = [event.payload for event in events if event.type.startswith("participant.re")]
    assert [payload.get("kind") for payload in logged] == ["muted", "removed", None, "removed"]
    assert {(payload["identity"], payload["by"]) for payload in logged} == {(identity, teacher)}
    assert fold_session(events).restricted == {identity: "removed"}
    await rooms.close_room(school.lk, page["roomName"])
    school.clock.pass_(minutes=5)
    answer = await ask_token(school, "Amina", {"room_name": page["roomName"]})
    assert answer.json()["session_id"] != session
    assert (await ask_token(school, "Mallory", {"room_name": page["roomName"]})).status_code == 201
    ended = await restrict(school, session, identity, "none")
    assert (ended.status_code, ended.json()) == (
        409,
        {
            "error": "The session has ended. Only a running session has restrictions.",
            "code": "conflict",
        },
    )


async def test_learner_asks_why_they_may_not_be_in_a_session(school: School) -> None:
    page = await school.open("Mallory")
    session, identity = page["sessionId"], await identity_of(school, "Mallory")
    told = {"at first": await refusal(school, session, "Mallory")}
    for kind in ("muted", "removed"):
        await restrict(school, session, identity, kind)
        told[kind] = await refusal(school, session, "Mallory")
    await school.open("Bilal")
    told["classmate"] = await refusal(school, session, "Bilal")
    await school.agree(school.auth("Mallory"))
    told["withdrawn"] = await refusal(school, session, "Mallory")
    assert told == {
        "at first": None,
        "muted": None,
        "removed": "removed",
        "classmate": None,
        "withdrawn": "consent_required",
    }
    await school.account("Outsider")
    entry = f"/api/sessions/{session}/entry"
    stranger = await school.client.get(entry, headers=school.auth("Outsider"))
    assert stranger.status_code == 404


async def test_asking_after_the_end_of_a_session_opens_nothing(school: School) -> None:
    page = await school.open("Mallory")
    session = page["sessionId"]
    await restrict(school, session, await identity_of(school, "Mallory"), "removed")
    await rooms.close_room(school.lk, page["roomName"])
    school.clock.pass_(minutes=5)
    second = (await ask_token(school, "Amina", {"room_name": page["roomName"]})).json()
    await rooms.close_room(school.lk, page["roomName"])
    before = await school.rows("select id, status from sessions order by id")
    assert await refusal(school, session, "Mallory") == "ended"
    assert await refusal(school, second["session_id"], "Mallory") is None  # nobody has noticed yet
    assert await school.rows("select id, status from sessions order by id") == before
    assert await rooms.list_room_sids(school.lk, [page["roomName"]]) == {}


async def test_a_restriction_is_stored_while_the_media_server_is_away(school: School) -> None:
    page = await school.open("Mallory")
    context = school.app.state.context
    settings = school.settings.model_copy(update={"livekit_url": "ws://127.0.0.1:9"})
    working, context.lk = context.lk, rooms.make_media_client(settings)
    try:
        answer = await restrict(
            school, page["sessionId"], await identity_of(school, "Mallory"), "removed"
        )
    finally:
        await context.lk.aclose()
        context.lk = working
    assert answer.status_code == 503
    assert len(await school.rows("select from room_restrictions")) == 1
