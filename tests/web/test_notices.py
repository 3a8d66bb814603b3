"""Notices over HTTP: admins of the operator's tenant read them, nobody else does."""

from datetime import UTC, datetime

from db import tenant_tx
from db.notices import clear_notices, upsert_notice
from tests.web.conftest import School

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


async def raise_two(school: School) -> None:
    """One active alarm and an older one that is cleared."""
    async with tenant_tx(school.pool, school.tenant.id) as db:
        for name, facts in (("disk_low", {"free_mb": 12}), ("database_away", {})):
            await upsert_notice(
                db, school.tenant.id, host="h1", name=name, since=NOW, now=NOW, facts=facts
            )
        await clear_notices(db, school.tenant.id, host="h1", active=["disk_low"], now=NOW)


async def test_admin_reads_active_alarms_first(school: School) -> None:
    await raise_two(school)
    told = await school.get("/api/notices", "Otto", "admin")
    active, cleared = told["notices"]
    assert active.pop("id")
    assert active == {
        "host": "h1",
        "name": "disk_low",
        "firstAt": "2026-11-25T12:00:00Z",
        "lastAt": "2026-11-25T12:00:00Z",
        "clearedAt": None,
        "count": 1,
        "facts": {"free_mb": 12},
    }
    assert (cleared["name"], cleared["clearedAt"]) == ("database_away", "2026-11-25T12:00:00Z")


async def test_nobody_else_reads_notices(school: School) -> None:
    await raise_two(school)
    for role, tenant, status in (
        ("learner", "default", 403),
        ("teacher", "default", 403),
        ("admin", "other", 200),
    ):
        answer = await school.client.get("/api/notices", headers=school.auth("Otto", role, tenant))
        assert answer.status_code == status
        assert "disk_low" not in answer.text
