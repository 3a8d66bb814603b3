"""Calls of every function of db/ with arguments for twin tenants."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from obstore.store import MemoryStore

import db as database_package
from courses.tree import CourseTree
from db import Connection, accounts, fetch_one
from db.access_log import WordsRead
from db.account_export import PARTS
from db.auth_sessions import LIFE, ProviderSession
from db.erasures import Erasure, Kind
from db.event_kinds import AgentDispatched, SessionStarted
from db.local_inbox import MediaEvent
from db.notices import KEPT
from db.retention import KINDS, Removal
from db.sessions import Session
from db.stays import FINISHED, JOINED, ParticipantRow, Stay
from db.storage import Storage
from tests.db.rows import CONSENT, NOW, at, segment
from tests.db.test_tenants import Ids
from tests.db.twins import Call, PerTenant, parameters

Arguments = dict[str, Any]
JOB = UUID("00000000-0000-4000-8000-000000000007")
HOLDER = UUID("00000000-0000-4000-8000-0000000000c9")
# see twin_states
ERASURE, GONE_ACCOUNT, GONE_SESSION, CLEO, DINA, OWN_SESSION, OTHER_COURSE = (
    UUID(f"00000000-0000-4000-8000-0000000000{end}")
    for end in ("e1", "a1", "a2", "b1", "b2", "d1", "02")
)


def functions() -> Iterator[Any]:
    """Yields each public function of db/ that takes a connection and a tenant."""
    for found in pkgutil.iter_modules(database_package.__path__):
        if found.name in ("__main__", "migrations"):
            continue
        module = importlib.import_module(f"db.{found.name}")
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction):
            first = list(inspect.signature(function).parameters)[:2]
            ours = function.__module__ == module.__name__ and not name.startswith("_")
            if ours and first == ["db", "tenant_id"]:
                yield function


async def make_calls(
    db: Connection, ids: Ids, pair: tuple[UUID, UUID], tree: CourseTree
) -> list[Call]:
    """A call of each function with ids that exist, and one with ids that don't.

    Both twins have these ids. For values that are unique across tenants, there is a call with the
    tenant's own value and one with the other's.
    """
    given = usual(ids, tree) | await unshared(db, pair)
    variants = unusual(ids, tree, given)
    calls = []
    for function in functions():
        wanted = parameters(function)
        for more in variants.get(Call(function, {}).name, [{}]):
            arguments = {name: given[name] for name in wanted if name not in more} | more
            calls.append(Call(function, arguments))
            if any(isinstance(value, UUID) for value in arguments.values()):
                calls.append(Call(function, {k: _nothing(v) for k, v in arguments.items()}))
    return calls


def _nothing(value: Any) -> Any:
    return uuid4() if isinstance(value, UUID) else value


def usual(ids: Ids, tree: CourseTree) -> Arguments:
    """The argument for each parameter name."""
    said = segment(ids.session_id, "new", 1, None)
    stay = ParticipantRow(ids.session_id, "PA_1", ids.account_id, NOW, at(3))
    joined = MediaEvent("EV_2", JOINED, at(2), "room", "RM_1", "PA_3", "l_nobody", joined_at=at(2))
    return {
        "account_id": ids.account_id, "course_id": ids.course_id, "module_id": ids.module_id,
        "lesson_id": ids.lesson_id, "room_id": ids.room_id, "session_id": ids.session_id,
        "session_ids": [ids.session_id], "room_sid": "RM_1", "room_sids": ["RM_1"],
        "now": at(60), "at": at(60), "ended_at": at(60), "changes": {"theme": "dark"},
        "role": "learner", "key": ids.course_id.hex, "listener_id": ids.account_id, "limit": 5,
        "course_key": "tiny-course", "words": [WordsRead(ids.session_id, CLEO)],
        "session": Session(
            ids.session_id, ids.tenant_id, ids.room_id, "tutor", "active", NOW, None, ""
        ),
        "rows": [stay, replace(stay, sid="PA_2", left_at=None)], "margin": timedelta(seconds=5),
        "segment_ids": ["late"], "account_ids": [ids.account_id], "started_at": [at(-9)],
        "event": AgentDispatched(epoch=7), "query": "words or apple", "tree": tree, "option": 0,
        "revision": 9, "epoch": 0, "kind": "segment", "entry_key": "k", "error": "x",
        "payload": {"session_id": str(ids.session_id), "account_id": str(ids.account_id)},
        "segments": [said], "events": [joined], "age": timedelta(days=-1),
        "host": "host", "since": NOW, "facts": {"free_mb": 8}, "active": [],
        "storage": Storage(MemoryStore()), "pictures": (),
        "who": "dev:learner of template", "email": "new@school.example", "blocked_at": at(7),
        "provider": ProviderSession("sid", "token"),
        "ids": [ids.account_id, GONE_ACCOUNT, GONE_SESSION], "one": ids.session_id,
        "erasure": erasure_of(ids, session_id=ids.session_id, account_id=ids.account_id),
        "before": at(10**9), "days": 5, "defaults": {"sessions": 4},
        "removal": Removal("accounts", date(2026, 1, 2), at(1), 8),
        "text": CONSENT, "texts": [CONSENT], "kinds": ["tutor", "transcript"], "store_words": True,
        "except_account_id": UUID(int=1), "roles": ["learner"],
        "job_id": JOB, "tries": 0, "delay": timedelta(seconds=8),
        "holder": HOLDER, "length": timedelta(seconds=9),
    }  # fmt: skip


async def unshared(db: Connection, pair: tuple[UUID, UUID]) -> Arguments:
    """Arguments that differ between twins."""
    rooms, people = {}, {}
    for one in pair:
        row = await fetch_one(db, "select name from livekit_rooms where tenant_id = $1", one)
        rooms[one] = row["name"]
        query = "select id from accounts where tenant_id = $1 and subject like '%template'"
        people[one] = await accounts.find_account(db, one, (await fetch_one(db, query, one))["id"])
    chen = await fetch_one(db, "select id from accounts where subject like 'dev:Chen%' limit 1")
    first, second = pair
    identities = {one: account.identity for one, account in people.items() if account}
    return {
        "name": PerTenant(rooms),
        "foreign_name": PerTenant({first: rooms[second], second: rooms[first]}),
        "names": list(rooms.values()),
        "identity": PerTenant(identities),
        "foreign_identity": PerTenant({first: identities[second], second: identities[first]}),
        "identities": list(identities.values()),
        "account": PerTenant(people),
        "learner": PerTenant(people),
        "by": PerTenant(people),
        "subject": "dev:learner of template",
        "chen_id": chen["id"],
    }


def unusual(ids: Ids, tree: CourseTree, given: Arguments) -> dict[str, list[Arguments]]:
    """Functions with several calls, and the arguments of each."""
    strangers = [[Stay(sid, "RM_1", "l_nobody", at(1), None)] for sid in ("PA_9", "PA_1")]
    lessons = [{"lesson_id": lesson.id, "revision": 19} for lesson in tree.lessons]
    begun = SessionStarted(kind="tutor", room_id=ids.room_id, room_sid="RM_1")
    answer = replace(segment(ids.session_id, "new", 1, None), in_reply_to="e")
    letter = {"session_id": str(ids.session_id), "in_reply_to": "e"}
    known = {"words": [WordsRead(ids.session_id, ids.account_id)], "now": NOW}
    return {
        "access_log.record_reads": [
            {"reader": None, "route": "search"}, {"reader": None, "route": "export", **known},
            {"reader": given["account"], "route": "transcript"},
        ],
        "account_export.list_part": [{"part": part} for part in PARTS],
        "account_export.list_export_sessions": [
            {"account_id": one} for one in (ids.account_id, CLEO, GONE_ACCOUNT)
        ],
        "accounts.upsert_signed_in_account": [
            {"name": "new name"}, {"name": "new name", "issued_at": at(60)},
            {"name": "n", "subject": "new", "email": "invited@school.example"},
            {"name": "n", "subject": "newer", "email": "badr@school.example"},
        ],
        "auth_sessions.insert_auth_session": [{"key": b"new"}],
        "auth_sessions.find_account_and_touch_session": [
            {"key": b"template"}, {"key": b"template", "now": at(4000)},
        ],
        "auth_sessions.delete_auth_session": [{"key": b"template"}],
        "auth_sessions.delete_ended_auth_sessions": [{}, {"now": at(60) + LIFE}],
        "attendance.reconcile_stays": [
            {"present": []}, {"present": strangers[0]}, {"present": strangers[1], "at": at(600)},
        ],
        "course_staff.upsert_staff_role": [
            {"role": "mentor"}, {"role": "mentor", "account_id": CLEO},
            {"role": "mentor", "course_id": OTHER_COURSE},
        ],
        "course_staff.may_teach": [{}, {"course_id": OTHER_COURSE}],
        "course_staff_commands.change_and_print_staff": [
            {"role": "mentor"}, {"role": None}, {"who": "badr@school.example"},
        ],
        "courses.find_course": [{"key": tree.course.slug}, {"key": str(ids.course_id)}],
        "deleting.delete_account": [
            {"erasure": erasure_of(ids, account_id=one)} for one in (ids.account_id, CLEO, DINA)
        ],
        "deleting.delete_session": [
            {"erasure": erasure_of(ids, session_id=one)} for one in (ids.session_id, OWN_SESSION)
        ],
        "erasing.erase_account_words_in_session": [
            {"erasure": erasure_of(ids, session_id=session_id, account_id=account_id)}
            for session_id, account_id in (
                (ids.session_id, ids.account_id), (OWN_SESSION, ids.account_id),
                (ids.session_id, DINA),
            )
        ],
        "erasures.list_known_erasures": [{"ids": [ERASURE]}],
        "events.append_event": [{}, {"key": "joined:PA_1"}, {"key": "new"}, {"event": begun}],
        "importing.import_course": [{}, {"tree": smaller(tree)}],
        "invitations.merge_invitations": [
            {"email": "invited@school.example", "account_id": one} for one in (CLEO, DINA)
        ],
        "leases.end_leased_session": [{}, {"epoch": 2}],
        "leases.take_dispatch": [{}, {"epoch": 2}],
        "members.count_sessions_with_unread_choice": [{}, {"account_id": given["chen_id"]}],
        "members.list_members": [{}, {"identities": []}],
        "members.find_member": [{}, {"identity": given["foreign_identity"]}],
        "notices.delete_old_notices": [{}, {"now": at(60) + KEPT}],
        "notices.upsert_notice": [{"name": "disk_low"}, {"name": "clock_skew"}],
        "progress.select_visit_facts": [{}, {"lesson_id": tree.lessons[-1].id}],
        "progress.update_progress": [{"completed": True}, {"percentage": 5}],
        "queue.delete_completed_jobs": [{}, {"age": timedelta(days=9999)}],
        "queue.enqueue_job": [{"kind": "prune"}],
        "quizzes.grade_answer": [{"option": option} for option in range(3)],
        "quizzes.start_quiz": [{"lesson_id": lesson.id} for lesson in tree.lessons],
        "rate_limits.count_request": [
            {"name": "token", "now": NOW}, {"name": "token", "now": at(7200)}
        ],
        "restrictions.upsert_restriction": [{"kind": "muted"}, {"kind": "removed"}],
        "rooms.adopt_lesson": lessons,
        "rooms.ensure_room": [{}, {"name": given["foreign_name"]}, {"name": "new"}],
        "rooms.find_room": [{}, {"name": given["foreign_name"]}],
        "rooms.update_learner_lesson": [{"lesson_id": lesson.id} for lesson in tree.lessons],
        "retention.count_rows_due": [{"kind": kind} for kind in KINDS],
        "retention.delete_days": [{"kind": "accounts"}],
        "retention.update_days": [{"kind": "accounts"}, {"kind": "sessions"}],
        "sessions.record_resumed_room_sid": [{"room_sid": "RM_5"}],
        "transcripts.insert_dead_letter": [{}, {"payload": letter}],
        "transcripts.insert_segments": [{}, {"segments": [answer]}],
        "webhooks.apply_room_end": [{"event": MediaEvent("EV_4", FINISHED, at(9), "room", "RM_1")}],
    }  # fmt: skip


def erasure_of(
    ids: Ids, *, account_id: UUID | None = None, session_id: UUID | None = None
) -> Erasure:
    kind: Kind = "words"
    if account_id is None or session_id is None:
        kind = "session" if account_id is None else "account"
    return Erasure(ids.tenant_id, uuid4(), kind, account_id, session_id, at(5))


def smaller(tree: CourseTree) -> CourseTree:
    """The course with only the first module, one lesson and one passage."""
    module = tree.modules[0]
    lessons = tuple(x for x in tree.lessons if x.module_id == module.id)[:1]
    ids = {lesson.id for lesson in lessons}
    return replace(
        tree,
        modules=(module,),
        lessons=lessons,
        passages=tuple(x for x in tree.passages if x.lesson_id in ids)[:1],
        questions=(),
        keys=(),
    )
