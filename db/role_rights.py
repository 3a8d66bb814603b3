"""The rights of the database roles: production refuses those that row-level security can't hold."""

import asyncio
import logging
from typing import Literal

import asyncpg

from db import AWAY, CONNECT_S
from settings import Settings, SettingsError

RoleSetting = Literal[
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "DATABASE_DRAIN_URL",
    "DATABASE_WATCH_URL",
    "DATABASE_JOBS_URL",
]

logger = logging.getLogger(__name__)


def refuse_powerful_role(settings: Settings, name: RoleSetting) -> None:
    """In production, raises SettingsError if the role of this setting has too many rights.

    If the database is away, nothing is checked. Must not run inside an event loop.
    """
    if settings.bodh_env != "production":
        return
    try:
        problem = asyncio.run(find_problem_of_role(name, role_dsns(settings)[name]))
    except AWAY as error:
        logger.warning(
            "role not checked: the database is away", extra={"why": type(error).__name__}
        )
        return
    if problem:
        raise SettingsError(problem)


def role_dsns(settings: Settings) -> dict[RoleSetting, str]:
    return {
        "DATABASE_URL": settings.app_dsn,
        "DATABASE_OWNER_URL": settings.owner_dsn,
        "DATABASE_DRAIN_URL": settings.drain_dsn,
        "DATABASE_WATCH_URL": settings.watch_dsn,
        "DATABASE_JOBS_URL": settings.jobs_dsn,
    }


async def find_problem_of_role(name: RoleSetting, dsn: str) -> str:
    """What is wrong with the role and what to do, or an empty string. Raises AWAY."""
    try:
        db = await asyncpg.connect(dsn, timeout=CONNECT_S)
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as no:
        return f"{name}: the database refuses the sign-in ({type(no).__name__}). Check its address"
    try:
        (role,) = await db.fetch(
            "select rolname, rolsuper, rolbypassrls from pg_roles where rolname = current_user"
        )
    finally:
        await db.close()
    right = "is a superuser" if role["rolsuper"] else "bypasses row-level security"
    if not (role["rolsuper"] or role["rolbypassrls"]):
        return ""
    return (
        f"{name}: the role {role['rolname']} {right}, so nothing keeps tenants apart. "
        "Create a role without that right, as the README shows"
    )
