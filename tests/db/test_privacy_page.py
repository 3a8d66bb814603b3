"""docs/privacy.md names every column that holds personal data, and how long it is kept."""

import re
from dataclasses import dataclass

import asyncpg
import pytest

from tests.conftest import ROOT, Database

PAGE = (ROOT / "docs" / "privacy.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
# every table with such a column is about a person
PERSONAL = re.compile(
    r"account_id|listener_id|identity|name|email|subject|(^|_)text$|payload|facts|key_hash"
)
NOT_PERSONAL = {"tenant_id", "search"}  # the school; an index of the text beside it
# columns that only look as if they were about a person
CLEARED = {
    "admin_notices": {"name", "facts"},  # of an alarm
    "background_jobs": {"payload"},  # ids of courses
    "tenants": {"name"},
}
COLUMNS = """
select table_name, column_name from information_schema.columns join information_schema.tables
using (table_schema, table_name) where table_schema = 'public' and table_type = 'BASE TABLE'
"""


@dataclass(frozen=True)
class Described:
    columns: frozenset[str]
    content: str
    kept: str


def described() -> dict[str, Described]:
    return {
        table: Described(frozenset(re.findall(r"`(\w+)`", columns)), content, kept)
        for table, columns, content, kept in ROW.findall(PAGE)
    }


def tables_without_personal_data() -> set[str]:
    section = PAGE.partition("## Tables without personal data")[2]
    return set(re.findall(r"`(\w+)`", section))


@pytest.fixture
async def schema(database: Database) -> dict[str, set[str]]:
    """Columns by table, except those that no person can be told from."""
    db = await asyncpg.connect(database.dsn("postgres"))
    try:
        tables: dict[str, set[str]] = {}
        for table, column in await db.fetch(COLUMNS):
            tables.setdefault(table, set())
            if column not in NOT_PERSONAL:
                tables[table].add(column)
        return tables
    finally:
        await db.close()


async def test_every_table_is_on_the_page(schema: dict[str, set[str]]) -> None:
    assert described().keys() | tables_without_personal_data() == schema.keys()
    assert described().keys() & tables_without_personal_data() == set()


async def test_every_column_of_a_table_with_personal_data_is_named(
    schema: dict[str, set[str]],
) -> None:
    assert {table: one.columns for table, one in described().items()} == {
        table: schema[table] for table in described()
    }


async def test_tables_called_free_of_personal_data_have_no_column_about_a_person(
    schema: dict[str, set[str]],
) -> None:
    about_people = {
        f"{table}.{column}"
        for table in tables_without_personal_data()
        for column in schema[table] - CLEARED.get(table, set())
        if PERSONAL.search(column)
    }
    assert about_people == set()


def test_every_row_says_what_is_kept_and_for_how_long() -> None:
    period = re.compile(r"\d+ (hour|day|month|year)|with the (account|session)|until")
    vague = [table for table, one in described().items() if not period.search(one.kept)]
    assert vague == []
    assert [table for table, one in described().items() if len(one.content) < 10] == []
