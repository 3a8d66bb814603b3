"""Every function of db/ as one of twin tenants: predicates and policies each suffice alone."""

import ast
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

import db as database_package
from courses.folder import read_course
from courses.tree import build_tree
from db import create_pool, tenant_tx
from tests.conftest import ROOT, TEMPLATE, Postgres
from tests.db.rows import TINY
from tests.db.test_tenants import Ids, fill
from tests.db.twin_calls import make_calls
from tests.db.twin_states import MARKS, enrich, part
from tests.db.twins import (
    COLUMNS,
    Call,
    Outcome,
    Recorder,
    dump,
    mutants,
    run_call,
    tables_of_tenants,
    takes_mark,
)

pytestmark = pytest.mark.slow

MUTANTS = 100  # a lower bound: with fewer, PREDICATE no longer fits the statements
STATEMENT = re.compile(r"\s*(select|insert|update|delete|with)\b")
NOT_ASKED_BY_TENANT = (
    "__init__",
    "migrate",
    "backup",
    "embedded",
    "local_queue",
    "local_erasing",
    "__main__",
)


@dataclass
class Twins:
    """Two tenants with the same ids, the calls made as each, and their outcomes."""

    db: Recorder
    ids: Ids
    pair: tuple[UUID, UUID]
    calls: list[Call]
    before: dict[UUID, str] = field(default_factory=dict)
    users: dict[str, list[int]] = field(default_factory=dict)  # statement -> calls that run it
    # with row-level security or without -> call and tenant -> outcome
    outcomes: dict[bool, dict[tuple[int, UUID], Outcome]] = field(default_factory=dict)

    def other(self, tenant_id: UUID) -> UUID:
        one, other = self.pair
        return other if tenant_id == one else one

    @property
    def known(self) -> frozenset[str]:
        """Ids to keep in what is compared."""
        return frozenset(str(x) for x in (*self.pair, *vars(self.ids).values()))


@pytest.fixture(scope="module")
async def twins(postgres: Postgres) -> AsyncIterator[Twins]:
    """Two tenants that share every id, copied from a third, and the outcome of each call."""
    await postgres.clone("twins", TEMPLATE)
    pool = await create_pool(postgres.dsn(database="twins"))
    ids = await fill(pool, "template")
    async with tenant_tx(pool, ids.tenant_id) as db:
        await enrich(db, ids)
    await pool.close()
    connection = await asyncpg.connect(postgres.dsn("postgres", "twins"))
    recorder = Recorder(connection, await tables_of_tenants(connection))
    made = Twins(recorder, ids, await part(connection, ids), [])
    tree = build_tree(read_course(TINY), ids.tenant_id)
    made.calls = await make_calls(connection, ids, made.pair, tree)
    made.before = await dump(connection, recorder.tables, made.known)
    for guarded in (False, True):
        made.outcomes[guarded] = await call_all(made, guarded=guarded)
    yield made
    await connection.close()
    await postgres.drop("twins")


async def call_all(twins: Twins, *, guarded: bool) -> dict[tuple[int, UUID], Outcome]:
    """Makes every call as each twin. Records its statements; asserts that a repeat is the same."""
    outcomes = {}
    for number, call in enumerate(twins.calls):
        for tenant_id in twins.pair:
            role = role_of(call) if guarded else None
            twins.db.seen = set()
            outcome = await run_call(twins.db, call, tenant_id, twins.known, role)
            if not guarded:
                again = await run_call(twins.db, call, tenant_id, twins.known, role)
                assert outcome == again, call.name
            outcomes[number, tenant_id] = outcome
            for statement in twins.db.seen:
                twins.users.setdefault(statement, [])
                if number not in twins.users[statement]:
                    twins.users[statement].append(number)
    return outcomes


def role_of(call: Call) -> str:
    """The role that makes this call in a running Bodh."""
    if call.name == "transcripts.insert_dead_letter":
        return "bodh_drain"
    of_jobs = ("queue.", "deleting.", "retention.", "access_log.delete_old_reads")
    return "bodh_jobs" if call.name.startswith(of_jobs) else "bodh_app"


def leaks(twins: Twins, tenant_id: UUID, outcome: Outcome) -> list[str]:
    """What a call as one tenant revealed of the other, or changed in it."""
    other = twins.other(tenant_id)
    mark = MARKS[twins.pair.index(other)]
    return [
        what
        for what, found in (
            ("the other's words are in the answer", mark in outcome.answer),
            ("the other's id is in the answer", str(other) in outcome.answer),
            ("the other's words are in the tenant's rows", mark in outcome.rows[tenant_id]),
            ("the other's rows were changed", outcome.rows[other] != twins.before[other]),
        )
        if found
    ]


async def test_no_call_reveals_or_changes_the_other_tenant(twins: Twins) -> None:
    for guarded in (False, True):
        for (number, tenant_id), outcome in twins.outcomes[guarded].items():
            call = twins.calls[number]
            assert leaks(twins, tenant_id, outcome) == [], (call.name, guarded)
            assert "InsufficientPrivilege" not in outcome.answer, call.name


async def test_every_text_of_a_tenant_is_marked(twins: Twins) -> None:
    """If this fails for a new table, add a row to `twin_states`."""
    db = twins.db.connection
    for row in await db.fetch(COLUMNS):
        query = f'select string_agg("{row["column"]}"::text, chr(10)) from {row["table"]}'  # noqa: S608
        for tenant_id, mark in zip(twins.pair, MARKS, strict=True):
            text = await db.fetchval(query + " where tenant_id = $1", tenant_id)
            if takes_mark(row) or row["type"] == "jsonb":
                assert mark in text, row
            elif row["column"] == "tenant_id":
                assert text or tenant_id == twins.pair[1], row


async def test_every_statement_with_a_tenant_is_run(twins: Twins) -> None:
    written = {text for text in statements() if "tenant_id" in text}
    assert written - set(twins.users) == set()


def statements() -> Iterator[str]:
    """The SQL in db/: string constants that begin like a statement."""
    for path in Path(database_package.__file__).parent.glob("*.py"):
        if path.stem in NOT_ASKED_BY_TENANT:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and STATEMENT.match(text):
                yield text


async def test_missing_predicate_is_found_and_row_level_security_prevents_a_leak(
    twins: Twins,
) -> None:
    missed, leaked, count = [], [], 0
    for statement, numbers in twins.users.items():
        for where, changed in mutants(statement):
            count += 1
            twins.db.mutant = (statement, changed)
            if not [x async for x in differences(twins, numbers, guarded=False)]:
                missed.append(where)
            leaked += [(where, x) async for x in differences(twins, numbers, guarded=True)]
    twins.db.mutant = None
    report(twins, mutants=count, caught=count - len(missed), leaked_behind_rls=len(leaked))
    assert missed == [], "\n".join(missed)
    assert leaked == []
    assert count > MUTANTS


async def differences(twins: Twins, numbers: list[int], *, guarded: bool) -> AsyncIterator[str]:
    """Yields the first call whose outcome differs from that of the original statement."""
    for number in numbers:
        for tenant_id in twins.pair:
            call = twins.calls[number]
            role = role_of(call) if guarded else None
            outcome = await run_call(twins.db, call, tenant_id, twins.known, role)
            if outcome != twins.outcomes[guarded][number, tenant_id]:
                yield call.name
                return


def report(twins: Twins, **counts: int) -> None:
    """Writes the counts to build/faults."""
    functions_called = len({call.name for call in twins.calls})
    counts |= {
        "functions": functions_called,
        "calls": 2 * len(twins.calls),
        "statements": len(twins.users),
    }
    folder = ROOT / "build" / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "canary.json").write_text(json.dumps(counts, indent=1) + "\n")
