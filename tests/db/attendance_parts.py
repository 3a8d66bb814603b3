"""Recorded events of a session, the stays they must result in, and the stored rows."""

from dataclasses import replace
from random import Random
from uuid import UUID

from db import Connection, Pool, tenant_tx
from db.accounts import Account
from db.event_chain import first_broken_seq
from db.events import find_event_head, list_events
from db.local_inbox import MediaEvent
from db.sessions import insert_session
from db.stays import FINISHED, JOINED, LEFT, Stay
from tests.db.rows import NOW, at, make_learner, make_room

ROOM = "RM_1"

# sid, identity, seconds of joining and leaving (None: they stayed until the room closed)
STAYS: list[tuple[str, str, float, float | None]] = [
    ("PA_1", "l_amina", 2.25, 60),
    ("PA_2", "l_badr", 10.5, 300),
    ("PA_3", "l_amina", 55.125, 200),  # the second tab opens before the first one closes
    ("PA_4", "l_amina", 250, 251),
    ("PA_5", "m_otto", 0.5, None),
]
CLOSED_S = 600.0


def person(name: str, sid: str, identity: str, joined_s: float, made_s: float) -> MediaEvent:
    return MediaEvent(
        f"EV_{name}_{sid}", name, at(made_s), "room", ROOM, sid, identity, False, at(joined_s)
    )


def recorded() -> list[MediaEvent]:
    """All events of a session in order, including those of the agent and of tracks."""
    agent = person(JOINED, "PA_a", "a_session_1", 1, 1)
    events = [
        MediaEvent("EV_start", "room_started", at(0), "room", ROOM),
        replace(agent, agent=True),
    ]
    for sid, identity, came_s, went_s in STAYS:
        events.append(person(JOINED, sid, identity, came_s, int(came_s)))
        events.append(replace(person("track_published", sid, identity, 0, came_s), joined_at=None))
        if went_s is not None:
            events.append(person(LEFT, sid, identity, came_s, went_s))
    left = replace(person(LEFT, "PA_a", "a_session_1", 1, CLOSED_S), agent=True)
    events += [left, MediaEvent("EV_end", FINISHED, at(CLOSED_S), "room", ROOM)]
    return sorted(events, key=lambda event: event.at)


def truth() -> list[tuple[str, str, float, float]]:
    """The stays that the events must result in."""
    stays = [(sid, who, came, CLOSED_S if went is None else went) for sid, who, came, went in STAYS]
    return sorted(stays, key=lambda stay: stay[2])


def seen(stays: list[Stay]) -> list[tuple[str, str, float, float]]:
    """Stays in the form of `truth`."""
    return [
        (
            one.sid,
            one.identity,
            (one.joined_at - NOW).total_seconds(),
            ((one.left_at or NOW) - NOW).total_seconds(),
        )
        for one in stays
    ]


def shuffled(random: Random) -> list[MediaEvent]:
    """The recorded events in random order: some are repeated, some joins are lost."""
    events = recorded()
    departed = {event.sid for event in events if event.name == LEFT}
    kept = [
        event
        for event in events
        if not (event.name == JOINED and event.sid in departed and random.random() < 0.3)
    ]
    kept += random.choices(kept, k=random.randrange(len(kept)))
    random.shuffle(kept)
    return kept


async def people(db: Connection, tenant_id: UUID) -> dict[str, Account]:
    """Accounts of the recorded identities."""
    names = ("l_amina", "l_badr", "m_otto")
    return {name: await make_learner(db, tenant_id, name) for name in names}


def of_accounts(events: list[MediaEvent], accounts: dict[str, Account]) -> list[MediaEvent]:
    """The events with the identities of these accounts."""
    return [
        replace(event, identity=accounts[event.identity].identity)
        if event.identity in accounts
        else event
        for event in events
    ]


async def begin(db: Connection, tenant_id: UUID) -> tuple[UUID, dict[str, Account]]:
    """A running session in the room of the events, and its accounts."""
    room = await make_room(db, tenant_id)
    session = await insert_session(db, tenant_id, room.id, ROOM, at(0))
    return session.id, await people(db, tenant_id)


async def stored(db: Connection, tenant_id: UUID) -> list[tuple[str, str, float, float]]:
    """The rows in the form of `truth`."""
    rows = await db.fetch(
        """select p.sid, a.subject, p.joined_at, p.left_at from livekit_participants p
           join accounts a on a.tenant_id = p.tenant_id and a.id = p.account_id
           where p.tenant_id = $1 order by p.joined_at""",
        tenant_id,
    )
    return [
        (
            row["sid"],
            row["subject"].removeprefix("dev:"),
            (row["joined_at"] - NOW).total_seconds(),
            ((row["left_at"] or NOW) - NOW).total_seconds(),
        )
        for row in rows
    ]


async def logged(db: Connection, tenant_id: UUID, session_id: UUID) -> list[tuple[str, str]]:
    """Type and sid of the events after the start. Asserts that the log is unbroken."""
    events = await list_events(db, tenant_id, session_id)
    assert first_broken_seq(events, await find_event_head(db, tenant_id, session_id)) is None
    return [(event.type, event.payload.get("sid", "")) for event in events[1:]]


def came_and_went(*sids: str) -> list[tuple[str, str]]:
    """One join and one departure each."""
    return [(kind, sid) for sid in sids for kind in ("participant.joined", "participant.left")]


async def begin_committed(pool: Pool, tenant_id: UUID) -> tuple[str, UUID, dict[str, Account]]:
    """Like `begin`, but committed for other connections. Also returns the room's name."""
    async with tenant_tx(pool, tenant_id) as db:
        room = await make_room(db, tenant_id)
        session = await insert_session(db, tenant_id, room.id, ROOM, at(0))
        return room.name, session.id, await people(db, tenant_id)
