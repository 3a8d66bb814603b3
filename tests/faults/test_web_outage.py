"""Postgres down behind the token server: 503 at once, and webhooks are kept and applied once."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from db import Pool, create_pool, embedded, tenant_tx
from db.courses import list_courses
from db.event_chain import first_broken_seq
from db.events import find_event_head, list_events
from db.rooms import Room, ensure_room
from db.sessions import Session, insert_session
from db.stays import JOINED, LEFT
from settings import Settings
from tests.db.rows import NOW, make_learner, modules_of
from tests.faults.writers_under_fault import (
    REPORTS,
    OwnPostgres,
    crash,
    frozen_postgres,
    own_postgres,
)
from tests.soak import SOAK
from tests.web.webhook_parts import PATH, body_of, event_fields, headers, signature
from watch.webhook_intake import apply_webhooks
from web.app import create_app
from web.auth import make_token
from web.claims import Claims

AWAY_S, EVENTS = (300.0, 1_000) if SOAK else (8.0, 80)
ASK_EVERY_S = 1.0  # for a token, during the outage
TAKEN_S = 30.0  # pass criterion: all events are applied this soon after Postgres returns
SECOND = int(NOW.timestamp()) + 60
APART_S = 10  # of the stays: the log leaves out joins that follow one another faster


@dataclass
class Lobby:
    """The application on its own Postgres, and a session that gets webhook events."""

    server: OwnPostgres
    app: FastAPI
    settings: Settings
    client: httpx2.AsyncClient
    room: Room
    session: Session
    identity: str

    @property
    def pool(self) -> Pool:
        """The application's pool."""
        pool: Pool = self.app.state.context.pool
        return pool

    def auth(self) -> dict[str, str]:
        """A learner's header."""
        claims = Claims(subject="Amina", name="Amina", role="learner", tenant="default")
        token = make_token(self.settings, claims, datetime.now(UTC))
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def lobby(settings: Settings) -> AsyncIterator[Lobby]:
    """A lobby that answers."""
    async with own_postgres() as server:
        settings.database_url = server.cluster.dsn("bodh_app")
        app = create_app(settings)
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client,
        ):
            async with tenant_tx(app.state.context.pool, server.tenant_id) as db:
                (course,) = await list_courses(db, server.tenant_id)
                (module, _) = await modules_of(db, server.tenant_id, course.id)
                room = await ensure_room(
                    db, server.tenant_id, name="room", course_id=course.id, module_id=module.id
                )
                session = await insert_session(db, server.tenant_id, room.id, "RM_1", NOW)
                badr = await make_learner(db, server.tenant_id, "Badr")
            made = Lobby(server, app, settings, client, room, session, badr.identity)
            assert (await client.get("/api/me", headers=made.auth())).status_code == 200
            watching = await create_pool(server.cluster.dsn("bodh_watch"))
            applying = asyncio.create_task(apply_webhooks(settings, watching))
            yield made
            applying.cancel()
            await asyncio.gather(applying, return_exceptions=True)
            await watching.close()


async def test_outage_is_answered_at_once_and_loses_no_webhook(lobby: Lobby) -> None:
    await crash(lobby.server)
    async with asyncio.TaskGroup() as group:
        refusals = group.create_task(ask_for_tokens(lobby))
        taken_ms = group.create_task(send_events(lobby))
    await embedded.start_server(lobby.server.cluster)
    began = time.perf_counter()
    await all_taken(lobby)
    effect_s = time.perf_counter() - began
    assert (await lobby.client.get("/api/me", headers=lobby.auth())).status_code == 200
    effects = await count_effects(lobby)
    report(refusals.result(), taken_ms.result(), effects, effect_s)
    assert effects == {"events": EVENTS, "stays": EVENTS // 2, "logged": EVENTS, "whole": 1}


async def test_frozen_postgres_is_answered_with_503(lobby: Lobby) -> None:
    with frozen_postgres(lobby.server):
        answer = await ask_for_token(lobby)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert (await lobby.client.get("/api/me", headers=lobby.auth())).status_code == 200


async def all_taken(lobby: Lobby) -> None:
    """Waits until every event is applied."""
    async with asyncio.timeout(TAKEN_S):
        while True:
            if not await lobby.app.state.context.inbox.oldest_waiting_s():
                return
            await asyncio.sleep(0.05)


async def ask_for_token(lobby: Lobby) -> Any:
    """Asks for a token as the page does."""
    query = {"courseId": str(lobby.room.course_id), "moduleId": str(lobby.room.module_id)}
    return await lobby.client.post(
        "/api/livekit/token", params=query, headers=lobby.auth(), json={}
    )


async def ask_for_tokens(lobby: Lobby) -> list[float]:
    """Keeps asking for a token during the outage. Returns the seconds of each refusal."""
    took = []
    until = time.perf_counter() + AWAY_S
    while time.perf_counter() < until:
        began = time.perf_counter()
        answer = await ask_for_token(lobby)
        took.append(time.perf_counter() - began)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        await asyncio.sleep(max(0.0, ASK_EVERY_S - took[-1]))
    return took


async def send_events(lobby: Lobby) -> list[float]:
    """Sends each event twice, as after a lost answer. Returns the milliseconds of each answer."""
    took = []
    for number in range(EVENTS):
        body = event(lobby, number)
        for expected in ("ok", "repeated"):
            sent = headers(signature(lobby.settings, body))
            began = time.perf_counter()
            answer = await lobby.client.post(PATH, content=body, headers=sent)
            took.append((time.perf_counter() - began) * 1000)
            assert (answer.status_code, answer.json()) == (200, {"status": expected})
        await asyncio.sleep(AWAY_S * 0.9 / EVENTS)
    return took


def event(lobby: Lobby, number: int) -> bytes:
    """The nth event: somebody joins, then leaves; each pair has its own participant sid."""
    stay, left = divmod(number, 2)
    second = SECOND + APART_S * stay + left
    person = {
        "sid": f"PA_{stay}",
        "identity": lobby.identity,
        "joinedAt": str(SECOND + APART_S * stay),
    }
    room = {"sid": lobby.session.room_sid, "name": lobby.room.name}
    return body_of(event_fields(number, LEFT if left else JOINED, second, room, person))


async def count_effects(lobby: Lobby) -> dict[str, int]:
    """Counts what the events changed."""
    tenant_id, session_id = lobby.server.tenant_id, lobby.session.id
    async with tenant_tx(lobby.pool, tenant_id) as db:
        kept = await db.fetchval("select count(*) from webhook_events")
        stays = await db.fetchval(
            "select count(*) from livekit_participants where left_at - joined_at = '1 second'"
        )
        log = await list_events(db, tenant_id, session_id)
        head = await find_event_head(db, tenant_id, session_id)
    presence = [e for e in log if e.type.startswith("participant.")]
    return {
        "events": kept,
        "stays": stays,
        "logged": len(presence),
        "whole": int(first_broken_seq(log, head) is None),
    }


def report(
    refusals: list[float], taken_ms: list[float], effects: dict[str, Any], effect_s: float
) -> None:
    """Keeps the results in build/faults."""
    figures = effects | {
        "away_s": AWAY_S,
        "tokens_refused": len(refusals),
        "refusal_worst_s": round(max(refusals), 3),
        "webhooks_sent": len(taken_ms),
        "webhook_p99_ms": round(sorted(taken_ms)[len(taken_ms) * 99 // 100], 1),
        "webhook_worst_ms": round(max(taken_ms), 1),
        "effects_after_s": round(effect_s, 3),
    }
    REPORTS.mkdir(parents=True, exist_ok=True)
    name = f"webhooks-down-{AWAY_S:.0f}-s.json"
    (REPORTS / name).write_text(json.dumps(figures, indent=1) + "\n")
