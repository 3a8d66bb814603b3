"""Webhooks: only signed ones, on disk before the response, and the attendance they lead to."""

import asyncio
import base64
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import jwt
import pytest
import uvicorn
from livekit import api, rtc
from pydantic import SecretStr

import rooms
from db import create_pool
from db.attendance import list_attendance_durations
from db.stays import JOINED, LEFT
from harness.livekit import running_livekit
from harness.stack import free_port
from scripts.livekit import build_livekit_config
from settings import Settings
from tests.conftest import Database
from tests.soak import SOAK
from tests.web.conftest import School, open_school
from tests.web.webhook_parts import CONTENT_TYPE, PATH, body_of, event_fields, headers, signature
from watch.webhook_intake import WebhookIntake, apply_webhooks

CASES = 10_000 if SOAK else 1_000
WAIT_S = 20.0
SECOND = 1_795_000_000  # when the media server made the events of these tests
ROOM = {"sid": "RM_1", "name": "room", "turnPassword": "not-for-the-disk"}
PERSON = {"sid": "PA_1", "identity": "l_amina", "joinedAt": str(SECOND), "metadata": "Amina"}


def joined(number: int) -> bytes:
    """A body as the media server sends it."""
    return body_of(event_fields(number, JOINED, SECOND, ROOM, PERSON))


async def send(school: School, body: bytes, token: str, **more: Any) -> Any:
    return await school.client.post(PATH, content=body, headers=headers(token, **more))


async def post(school: School, body: bytes) -> Any:
    """Sends a body with a valid signature."""
    return await send(school, body, signature(school.settings, body))


def inbox_rows(school: School) -> list[str]:
    """Ids in the inbox, as another process reads them."""
    db = sqlite3.connect(school.settings.inbox_path)
    try:
        return [row[0] for row in db.execute("select key from entries order by seq")]
    finally:
        db.close()


async def until(look: Callable[[], Any]) -> Any:
    """The first answer of `look` that is not empty. Raises TimeoutError."""
    async with asyncio.timeout(WAIT_S):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(0.05)


# accepted events


async def test_signed_event_is_on_disk_before_the_response(school: School) -> None:
    body = joined(1)
    answers = [await post(school, body), await post(school, body)]
    assert [(a.status_code, a.json()) for a in answers] == [
        (200, {"status": "ok"}),
        (200, {"status": "repeated"}),
    ]
    assert inbox_rows(school) == ["EV_1"]


async def test_secrets_and_metadata_of_an_event_are_neither_stored_nor_logged(
    school: School, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await post(school, joined(1))
    await send(school, joined(2), signature(school.settings, joined(1)))
    folder = school.settings.inbox_path.parent
    on_disk = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"EV_1" in on_disk
    assert b"l_amina" in on_disk
    for secret in (b"not-for-the-disk", b"Amina"):
        assert secret not in on_disk
        assert secret.decode() not in caplog.text


async def test_event_is_accepted_while_postgres_is_away(
    settings: Settings, database: Database, sample: Any
) -> None:
    async with open_school(settings, database) as school:
        await school.app.state.context.pool.close()
        answer = await post(school, joined(1))
        assert (answer.status_code, inbox_rows(school)) == (200, ["EV_1"])


async def test_full_disk_is_503_so_that_the_event_is_sent_again(school: School) -> None:
    context = school.app.state.context
    whole = context.inbox

    class Full:
        async def put_event(self, _: Any) -> bool:
            raise sqlite3.OperationalError("database or disk is full")

    context.inbox = Full()
    answer = await post(school, joined(1))
    context.inbox = whole
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


# refused events


def forgeries(settings: Settings, body: bytes) -> dict[str, str]:
    """Invalid tokens, by what is wrong with them."""
    good = signature(settings, body)
    head, claims, mark = good.split(".")
    now = datetime.now(UTC)
    stranger = settings.model_copy(update={"livekit_api_secret": SecretStr("x" * 40)})
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    payload = jwt.decode(good, options={"verify_signature": False})
    secret = settings.livekit_api_secret.get_secret_value()
    join = api.AccessToken(settings.livekit_api_key, secret).with_identity("l_amina")
    return {
        "nothing": "",
        "a scheme": f"Bearer {good}",
        "another key": signature(stranger, body),
        "another issuer": signature(settings, body, iss="somebody"),
        "no issuer": signature(settings, body, iss=None),
        "no expiry": signature(settings, body, exp=None),
        "expired": signature(settings, body, now=now - timedelta(minutes=7)),
        "of the future": signature(settings, body, nbf=now + timedelta(minutes=5)),
        "no digest": signature(settings, body, sha256=None),
        "an empty digest": signature(settings, body, sha256=""),
        "a short digest": signature(settings, body, sha256="AAAA"),
        "a digest of another type": signature(settings, body, sha256=["x"]),
        "grants of another type": signature(settings, body, video=[1], sip="x"),
        "no algorithm": f"{none}.{claims}.",
        "no algorithm, old mark": f"{none}.{claims}.{mark}",
        "another algorithm": jwt.encode(payload, secret * 2, algorithm="HS512"),
        "a join token": join.with_grants(api.VideoGrants(room_join=True, room="room")).to_jwt(),
        "two parts": f"{head}.{claims}",
        "noise": "é\x7f" * 40,
    }


async def test_every_forged_event_gets_the_same_401(library: School) -> None:
    body = joined(10)
    for why, token in forgeries(library.settings, body).items():
        answer = await library.client.post(
            PATH,
            content=body,
            headers={b"authorization": token.encode(), b"content-type": CONTENT_TYPE.encode()},
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), why
    assert "EV_10" not in inbox_rows(library)


async def test_missing_authorization_header_is_refused(library: School) -> None:
    answer = await library.client.post(PATH, content=joined(10))
    assert answer.status_code == 401


def mutated(random: Random, body: bytes, token: str) -> tuple[bytes, str]:
    """The body and its token, one of them changed, cut or extended."""
    raw = bytearray(body if random.random() < 0.5 else token.encode())
    whole = bytes(raw)
    for _ in range(random.randrange(1, 4)):
        spot = random.randrange(len(raw))
        match random.randrange(4):
            case 0:
                raw[spot] ^= 1 << random.randrange(8)
            case 1:
                del raw[spot : spot + random.randrange(1, 9)]
            case 2:
                raw[spot:spot] = random.randbytes(random.randrange(1, 9))
            case _:
                raw[spot] = random.randrange(256)
        raw = raw or bytearray(b"\0")
    if bytes(raw) == whole:
        raw += b"A"
    if whole == body:
        return bytes(raw), token
    text = bytes(raw).decode("latin-1").replace("\r", "?").replace("\n", "?").replace("\0", "?")
    return body, text.strip() or "?"


def same_mark(one: str, other: str) -> bool:
    """Base64 without padding has spare bits: another last letter can mean the same signature."""
    try:
        (head, mark), (other_head, other_mark) = one.rsplit(".", 1), other.rsplit(".", 1)
        marks = [base64.urlsafe_b64decode(part + "==") for part in (mark, other_mark)]
    except ValueError:
        return False
    return head == other_head and marks[0] == marks[1]


async def test_no_mutation_of_a_signed_event_is_accepted(library: School) -> None:
    random = Random(4)  # noqa: S311 test cases, not secrets
    body = joined(20)
    good = signature(library.settings, body)
    answers = []
    for _ in range(CASES):
        forged, token = mutated(random, body, good)
        if forged == body and same_mark(token, good):
            continue
        sent = {b"authorization": token.encode("latin-1"), b"content-type": CONTENT_TYPE.encode()}
        answer = await library.client.post(PATH, content=forged, headers=sent)
        answers.append(answer.status_code)
    assert set(answers) == {401}
    assert len(answers) > CASES * 0.95
    assert "EV_20" not in inbox_rows(library)


ODD = [
    b"", b"[]", b"{}", b"null", b"7", b'"text"', b"{", b"\xff\xfe{}", b"\x00", b"[" * 5_000,
    b'{"a":' * 5_000, b'{"id": 7, "event": true}', b'{"id": "EV_\\ud800", "event": "room_started"}',
    b'{"id": "EV_1\\u0000", "event": "room_started", "createdAt": "1"}',
    b'{"id": "EV_1", "event": "' + b"x" * 100_000 + b'", "createdAt": "1"}',
]  # fmt: skip
VALUES: list[Any] = [
    None, True, -1, 0, 1.5, 2**63, 2**80, 1e308, "", "x", "x" * 300, "a\0b", "\ud800", "é",
    "\u202e", [], [1], {}, {"a": 1}, "-5", "NaN", str(SECOND), str(SECOND * 10**6), "AGENT", 4,
]  # fmt: skip


def odd(random: Random, number: int) -> bytes:
    """A body that no media server sends, or one with some fields changed."""
    if random.random() < 0.1:
        return random.choice(ODD)
    event = event_fields(number, random.choice([JOINED, LEFT, "repainted"]), SECOND, ROOM, PERSON)
    for _ in range(random.randrange(1, 4)):
        part = random.choice([event, event.get("room"), event.get("participant")])
        if isinstance(part, dict) and part:
            keys = [*part, "joinedAtMs", "kind", "tracks", "egressInfo", "unknown"]
            part[random.choice(keys)] = deepcopy(random.choice(VALUES))
    return json.dumps(event).encode()


async def test_unusual_signed_bodies_are_accepted_or_refused_without_an_error(
    library: School,
) -> None:
    random = Random(5)  # noqa: S311 test cases, not secrets
    counts = {200: 0, 422: 0}
    before = len(inbox_rows(library))
    new = 0
    for number in range(CASES):
        body = odd(random, 1_000_000 + number)
        answer = await post(library, body)
        assert answer.status_code in counts, (answer.status_code, body[:200])
        counts[answer.status_code] += 1
        new += answer.status_code == 200 and answer.json()["status"] == "ok"
    assert min(counts.values()) > CASES / 20
    assert len(inbox_rows(library)) == before + new
    intake = WebhookIntake(library.app.state.context.inbox, library.pool)
    while await intake.apply_batch():
        pass


async def test_a_body_above_256_kib_is_413(library: School) -> None:
    body = joined(30) + b" " * 300_000
    answer = await post(library, body)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_another_content_type_is_422(library: School) -> None:
    body = joined(30)
    token = signature(library.settings, body)
    answers = [
        await send(library, body, token, content_type=kind)
        for kind in ("text/plain", "", "application/json; charset=utf-8")
    ]
    assert [a.status_code for a in answers] == [422, 422, 200]


@pytest.mark.parametrize(
    ("sent", "expected"), [(None, 401), ("wrong", 401), ("ünïcode", 401), ("shared", 200)]
)
async def test_a_proxy_must_add_the_shared_header(
    settings: Settings, database: Database, sample: Any, sent: str | None, expected: int
) -> None:
    settings.livekit_url = f"ws://127.0.0.1:{free_port()}"
    settings.livekit_webhook_secret = SecretStr("shared")
    async with open_school(settings, database) as school:
        body = joined(1)
        with_secret = headers(signature(settings, body))
        if sent is not None:
            with_secret["X-Webhook-Secret"] = sent
        encoded = {name.encode(): value.encode() for name, value in with_secret.items()}
        answer = await school.client.post(PATH, content=body, headers=encoded)
        assert answer.status_code == expected


def test_embedded_media_server_sends_to_our_webhook(settings: Settings) -> None:
    settings.port = 8123
    assert build_livekit_config(settings)["webhook"] == {
        "api_key": settings.livekit_api_key,
        "urls": ["http://127.0.0.1:8123/api/webhooks/livekit"],
    }


# a real livekit-server


@dataclass
class Lecture:
    """The application behind a socket, the watcher, and a media server that sends webhooks."""

    school: School
    session_id: UUID
    page: Any

    async def rows(self) -> list[Any]:
        """Attendance of the session."""
        return await self.school.rows(
            """select account_id, joined_at, left_at, left_told from livekit_participants
               where session_id = $1 order by joined_at""",
            self.session_id,
        )

    async def left(self) -> list[Any]:
        """The same rows once everybody has left; empty before."""
        rows = await self.rows()
        return rows if rows and all(row["left_at"] for row in rows) else []


@pytest.fixture
async def lecture(settings: Settings, database: Database, sample: Any) -> AsyncIterator[Lecture]:
    """Amina has opened the page and is about to join."""
    settings.port = free_port()
    settings.livekit_webhook_secret = SecretStr("shared")  # our own server cannot add it
    with running_livekit(settings):
        async with open_school(settings, database) as school:
            config = uvicorn.Config(
                school.app, port=settings.port, log_config=None, access_log=False, lifespan="off"
            )
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve())
            watching = await create_pool(database.dsn("bodh_watch"))
            applying = asyncio.create_task(apply_webhooks(settings, watching))
            page = await school.open("Amina")
            yield Lecture(school, UUID(page["sessionId"]), page)
            applying.cancel()
            await asyncio.gather(applying, return_exceptions=True)
            await watching.close()
            server.should_exit = True
            await serving


async def test_a_join_and_a_departure_arrive_from_a_real_server(lecture: Lecture) -> None:
    school = lecture.school
    amina = await school.account("Amina")
    before = datetime.now(UTC) - timedelta(seconds=1)
    inside = await school.join(lecture.page)
    (row,) = await until(lecture.rows)
    assert (row["account_id"], row["left_at"]) == (amina.id, None)
    assert before <= row["joined_at"] <= datetime.now(UTC)
    await inside.disconnect()
    again = await school.join(lecture.page)  # a reconnect gets a new participant sid
    await again.disconnect()

    async def both() -> list[Any]:
        rows = await lecture.left()
        return rows if len(rows) == 2 else []

    rows = await until(both)
    assert [row["left_told"] for row in rows] == [2, 2]
    async with school.pool.acquire() as db, db.transaction():
        await db.execute("select set_config('app.tenant_id', $1, true)", str(school.tenant.id))
        lasted = await list_attendance_durations(
            db, school.tenant.id, lecture.session_id, datetime.now(UTC)
        )
    assert timedelta(0) <= lasted[amina.id] < timedelta(seconds=WAIT_S)


async def test_the_session_ends_with_its_room(lecture: Lecture) -> None:
    await rooms.close_room(lecture.school.lk, lecture.page["roomName"])

    async def ended() -> list[Any]:
        return await lecture.school.rows(
            "select ended_at from sessions where id = $1 and status = 'completed'",
            lecture.session_id,
        )

    (row,) = await until(ended)
    assert row["ended_at"] is not None


async def test_missed_joins_and_departures_are_reconciled(lecture: Lecture) -> None:
    school = lecture.school
    inside: rtc.Room = await school.join(lecture.page)
    await until(lecture.rows)
    async with school.pool.acquire() as db, db.transaction():
        await db.execute("select set_config('app.tenant_id', $1, true)", str(school.tenant.id))
        ghost = await school.account("Bilal")
        await db.execute(
            """insert into livekit_participants
                 (tenant_id, session_id, sid, account_id, joined_at)
               values ($1, $2, 'PA_ghost', $3, now() - interval '1 minute')""",
            school.tenant.id,
            lecture.session_id,
            ghost.id,
        )
        # as if the last reports were her join and an agent's lost connection
        await db.execute(
            """update livekit_participants set left_at = joined_at + interval '1 second',
                      left_told = 1
               where sid <> 'PA_ghost'"""
        )
    school.clock.now = datetime.now(UTC) + timedelta(seconds=30)
    await rooms.reconcile_attendance(school.lk, school.pool, school.clock)
    rows = {row["account_id"]: row["left_at"] for row in await lecture.rows()}
    amina = await school.account("Amina")
    assert rows == {amina.id: None, ghost.id: school.clock.now}
    await inside.disconnect()
