"""Rules for every table, checked in the catalogue."""

import pytest

from db import Connection

UNPROTECTED = """
select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
  and a.attname = 'tenant_id' and not a.attisdropped
  and not (c.relrowsecurity and c.relforcerowsecurity and exists (
    select from pg_policy p where p.polrelid = c.oid and p.polcmd = '*'
      and p.polqual is not null and p.polwithcheck is not null))
"""
LOOSE_FOREIGN_KEYS = """
select conrelid::regclass || ' ' || conname from pg_constraint f
where f.contype = 'f' and f.confrelid <> 'tenants'::regclass
  and not exists (
    select from unnest(f.conkey, f.confkey) as k(here, there)
    join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.here
    join pg_attribute b on b.attrelid = f.confrelid and b.attnum = k.there
    where a.attname = 'tenant_id' and b.attname = 'tenant_id')
"""
LOOSE_PRIMARY_KEYS = """
select i.indrelid::regclass from pg_index i
join pg_attribute t on t.attrelid = i.indrelid and t.attname = 'tenant_id'
where i.indisprimary and i.indkey[0] <> t.attnum
"""
STRONG_ROLES = """
select rolname from pg_roles
where rolname in ('bodh_app', 'bodh_drain', 'bodh_watch', 'bodh_jobs', 'bodh_owner')
  and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb
       or (rolname <> 'bodh_owner' and pg_has_role(oid, 'bodh_owner', 'member')))
"""
PRIVILEGED_CODE = """
select proname from pg_proc where pronamespace = 'public'::regnamespace and prosecdef
union all
select relname from pg_class where relnamespace = 'public'::regnamespace
  and relkind in ('v', 'm') and not coalesce('security_invoker=true' = any (reloptions), false)
"""


@pytest.mark.parametrize(
    "query", [UNPROTECTED, LOOSE_FOREIGN_KEYS, LOOSE_PRIMARY_KEYS, STRONG_ROLES, PRIVILEGED_CODE]
)
async def test_nothing_in_the_schema_bypasses_the_tenant(db: Connection, query: str) -> None:
    assert [row[0] for row in await db.fetch(query)] == []


async def test_every_table_except_tenants_has_a_tenant(db: Connection) -> None:
    names = await db.fetch(
        "select relname from pg_class c where relnamespace = 'public'::regnamespace "
        "and relkind in ('r', 'p') and not exists (select from pg_attribute a "
        "where a.attrelid = c.oid and a.attname = 'tenant_id')"
    )
    assert {row["relname"] for row in names} == {"tenants", "alembic_version"}
