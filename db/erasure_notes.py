"""A list of all erasures outside the database, so that a restored backup is erased again.

One JSON line each, with ids and times only. The watcher of every host appends what is new.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import assert_never
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from db import Connection, NotFound, set_tenant
from db.deleting import delete_account, delete_objects, delete_session
from db.erasing import erase_account_words_in_session
from db.erasures import Erasure, insert_erasure, list_known_erasures
from db.storage import Storage
from db.tenants import list_tenants

logger = logging.getLogger(__name__)
_erasures = TypeAdapter(Erasure)


def append_notes(path: Path, erasures: Iterable[Erasure]) -> None:
    """Returns once the lines are on disk. A repeated line does no harm. Raises OSError."""
    lines = [json.dumps(_erasures.dump_python(one, mode="json")) + "\n" for one in erasures]
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(number, "ab") as file:  # which also writes what a nearly full disk left over
        size = os.fstat(number).st_size
        torn = size > 0 and os.pread(number, 1, size - 1) != b"\n"  # the host stopped while writing
        file.write((("\n" if torn else "") + "".join(lines)).encode())
        file.flush()
        os.fsync(number)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_notes(path: Path) -> list[Erasure]:
    """Each erasure once, in the order of the file. Skips a line that was not written completely."""
    if not path.exists():
        return []
    found = {}
    for line in path.read_text(errors="replace").splitlines():
        try:
            erasure = _erasures.validate_json(line)
        except ValidationError:
            continue
        found[erasure.id] = erasure
    return list(found.values())


async def replay_notes(db: Connection, storage: Storage, path: Path) -> int:
    """Repeats every noted erasure that the database does not know. Returns how many it repeated.

    Needs the owner's or a superuser's connection, outside a transaction, while nothing else runs.
    """
    count = 0
    tenants = {tenant.id for tenant in await list_tenants(db)}
    for tenant_id, noted in _group_by_tenant(
        one for one in read_notes(path) if one.tenant_id in tenants
    ):
        async with db.transaction():
            await set_tenant(db, tenant_id)
            known = await list_known_erasures(db, tenant_id, [one.id for one in noted])
        for erasure in noted:
            if erasure.id not in known:
                count += await _repeat_erasure(db, storage, erasure)
    return count


def _group_by_tenant(erasures: Iterable[Erasure]) -> Iterator[tuple[UUID, list[Erasure]]]:
    ordered = sorted(erasures, key=lambda one: one.tenant_id)
    for tenant_id, group in groupby(ordered, key=lambda one: one.tenant_id):
        yield tenant_id, list(group)


async def _repeat_erasure(db: Connection, storage: Storage, erasure: Erasure) -> bool:
    """False if a backup is older than what was erased: then it is only recorded, for the spools."""
    await delete_objects(storage, erasure)
    try:
        async with db.transaction():
            await set_tenant(db, erasure.tenant_id)
            await _delete_erased_rows(db, erasure)
    except NotFound:
        async with db.transaction():
            await set_tenant(db, erasure.tenant_id)
            await insert_erasure(db, erasure.tenant_id, erasure)
        return False
    logger.info("erasure repeated", extra={"kind": erasure.kind, "id": str(erasure.id)})
    return True


async def _delete_erased_rows(db: Connection, erasure: Erasure) -> None:
    match erasure.kind:
        case "words":
            await erase_account_words_in_session(db, erasure.tenant_id, erasure)
        case "account":
            await delete_account(db, erasure.tenant_id, erasure)
        case "session":
            await delete_session(db, erasure.tenant_id, erasure)
        case _:
            assert_never(erasure.kind)
