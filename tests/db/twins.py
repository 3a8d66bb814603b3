"""Twin tenants, with the same ids and different texts, and statements without their predicate.

If two tenants share every id, a statement that forgets its tenant always finds the twin's row. Each
text of a twin contains its mark, so any leak is visible.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from db import Connection, set_tenant

PREDICATE = re.compile(r"(?:\w+\.)?tenant_id = (\$1|\w+\.tenant_id)")
NEW_ID = re.compile(
    r"[0-9a-f]{64}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|(?<!\w)[lm]_[\w-]{24}(?!\w)"  # an identity; those of twins end with their mark
)
NEW_TIME = re.compile(r"datetime\.datetime\((?:\d+, ){6}\d+, tzinfo|\d\d:\d\d:\d\d\.\d+\+00")
NUMBERS = ("integer", "bigint", "double precision")

COLUMNS = """
select c.relname as table, a.attname as column, format_type(a.atttypid, null) as type,
       exists (select from pg_index i where i.indrelid = c.oid and i.indisunique
               and a.attnum = any (i.indkey) and exists (
                 select from pg_attribute t where t.attrelid = c.oid and t.attname = 'tenant_id'
                   and t.attnum = any (i.indkey))) as key,
       exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'c'
               and a.attnum = any (k.conkey)) as checked
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0
  and not a.attisdropped and a.attgenerated = ''
  and exists (select from pg_attribute t where t.attrelid = c.oid and t.attname = 'tenant_id')
order by c.relname, a.attnum
"""
# keys without a foreign key: twins share them, like ids
KEYS = {("sessions", "room_sid"), ("transcript_segments", "in_reply_to")}


async def make_twin(db: Connection, template: UUID, mark: str, shift: int) -> UUID:
    """Copies every row of the template to a new tenant and marks its texts. Needs a superuser."""
    twin = uuid4()
    await db.execute("insert into tenants (id, slug, name) values ($1, $2, $2)", twin, mark)
    columns = await db.fetch(COLUMNS)
    await db.execute("set session_replication_role = replica")  # the copies are consistent already
    for table in sorted({row["table"] for row in columns}):
        mine = [row for row in columns if row["table"] == table]
        names = ", ".join(f'"{row["column"]}"' for row in mine)
        values = ", ".join(_marked(row, shift) for row in mine)
        await db.execute(
            f"insert into {table} ({names}) select {values} from {table}"  # noqa: S608
            " where tenant_id = $2 and ($3::text <> '' and $4::interval is not null)",
            twin,
            template,
            mark,
            timedelta(seconds=shift),
        )
    await db.execute("set session_replication_role = origin")
    return twin


def _marked(row: Any, shift: int) -> str:
    """The expression for a copied column: keys and checked columns stay, all others change."""
    column, kind = f'"{row["column"]}"', row["type"]
    if row["column"] == "tenant_id":
        return "$1"
    if kind == "timestamp with time zone":  # whole seconds: others are taken for the current time
        return column if row["key"] else f"date_trunc('second', {column}) + $4::interval"
    if kind == "jsonb":
        return f"{column} || jsonb_build_object('mark', $3::text)"
    if kind == "text[]":
        elements = f"unnest({column}) with ordinality as t (x, n)"
        return f"array(select x || $3 from {elements} order by n)"  # noqa: S608
    if kind == "bytea" and not row["key"]:
        return f"sha256({column} || convert_to($3, 'UTF8'))"
    if row["column"] == "order_index" or (kind in NUMBERS and not row["key"]):
        return f"{column} + {shift}::{kind} / {10 if kind == 'double precision' else 1}"
    if takes_mark(row):
        return f"coalesce({column}, '') || $3"
    return column


def takes_mark(row: Any) -> bool:
    """Whether a column is a text that may differ between twins and has no check."""
    free = not row["key"] and not row["checked"] and (row["table"], row["column"]) not in KEYS
    return free and row["type"] == "text"


@dataclass
class Recorder:
    """A connection that records its statements, and can replace one of them by a mutant."""

    connection: Connection
    tables: list[str]  # those with a tenant
    seen: set[str] = field(default_factory=set)
    mutant: tuple[str, str] | None = None  # a statement, and the one to run instead

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self.connection, name)
        if name not in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
            return inner

        async def run(query: str, *values: Any, **more: Any) -> Any:
            self.seen.add(query)
            if self.mutant and query == self.mutant[0]:
                query = self.mutant[1]
            return await inner(query, *values, **more)

        return run


def mutants(statement: str) -> Iterator[tuple[str, str]]:
    """Each predicate of a statement, with the statement without it."""
    for found in PREDICATE.finditer(statement):
        # keep the parameter, or the server cannot infer its type
        instead = "$1::uuid is not null" if found[1] == "$1" else "true"
        before, after = statement[: found.start()], statement[found.end() :]
        where = f"{before[-60:]}[{found[0]}]{after[:60]}"
        yield " ".join(where.split()), before + instead + after


@dataclass(frozen=True)
class Call:
    """A call of a function of db/; `arguments` are those after connection and tenant."""

    function: Callable[..., Any]
    arguments: dict[str, Any]

    @property
    def name(self) -> str:
        """Such as `rooms.find_room`."""
        return f"{self.function.__module__.removeprefix('db.')}.{self.function.__name__}"


@dataclass(frozen=True)
class Outcome:
    """What a call returned or raised, and all rows of each tenant after it."""

    answer: str
    rows: dict[UUID, str]


@cache  # most rows are the same after every call
def known(text: str, ids: frozenset[str]) -> str:
    """Replaces what differs from run to run: new ids and the current time."""
    text = NEW_TIME.sub("<now>", text)
    return NEW_ID.sub(lambda found: found[0] if found[0] in ids else "<new>", text)


async def run_call(
    db: Recorder, call: Call, tenant_id: UUID, ids: frozenset[str], role: str | None
) -> Outcome:
    """Calls in a transaction that is rolled back. With a role, row-level security applies."""
    transaction = db.connection.transaction()
    await transaction.start()
    try:
        begun = int(await db.connection.fetchval("select pg_current_xact_id()::text"))
        if role is not None:
            await set_tenant(db.connection, tenant_id)
            await db.connection.execute(f"set local role {role}")
        answer = await _answer(db, call, tenant_id)
        await db.connection.execute("reset role")
        rows = await dump(db.connection, db.tables, ids, begun)
    finally:
        await transaction.rollback()
    return Outcome(known(answer, ids), rows)


async def _answer(db: Recorder, call: Call, tenant_id: UUID) -> str:
    arguments = {
        name: value[tenant_id] if isinstance(value, PerTenant) else value
        for name, value in call.arguments.items()
    }
    savepoint = db.connection.transaction()
    await savepoint.start()
    try:
        answer = repr(await call.function(db, tenant_id, **arguments))
        await db.connection.execute("set constraints all immediate")
    except (asyncpg.PostgresError, Exception) as error:  # noqa: BLE001 the error is the answer
        await savepoint.rollback()
        return f"{type(error).__name__}: {error} {getattr(error, 'detail', '')}"
    await savepoint.commit()
    return answer


class PerTenant(dict[UUID, Any]):
    """An argument that differs between twins, because it is unique in the whole database."""


async def tables_of_tenants(db: Connection) -> list[str]:
    return sorted({row["table"] for row in await db.fetch(COLUMNS)})


async def dump(
    db: Connection, tables: list[str], ids: frozenset[str], begun: int = 2**32
) -> dict[UUID, str]:
    """All rows of each tenant as text. Marks rows locked by transactions since `begun`."""
    query = " union all ".join(
        f"""select tenant_id, '{table} ' || t::text
              || case when t.xmax::text::bigint >= $1 then ' locked' else '' end
            from {table} t"""  # noqa: S608
        for table in tables
    )
    found: dict[UUID, list[str]] = {}
    for tenant_id, text in await db.fetch(query, begun):
        found.setdefault(tenant_id, []).append(known(text, ids))
    return {tenant_id: "\n".join(sorted(rows)) for tenant_id, rows in found.items()}


def parameters(function: Callable[..., Any]) -> list[str]:
    """Required parameters after connection and tenant."""
    given = list(inspect.signature(function).parameters.values())[2:]
    return [one.name for one in given if one.default is inspect.Parameter.empty]
