"""`python -m db export-account`: everything held about a person, in a new folder."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, aclosing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from db import tenant_tx
from db.account_commands import select_one_account
from db.export_archive import PAGE, Export, export_files
from db.storage import open_storage
from db.tenant_commands import open_tenant
from settings import Settings


class ExportError(Exception):
    """Nothing was exported; the message says what to do."""


async def export_account(settings: Settings, tenant_slug: str, who: str, folder: Path) -> None:
    """Exports an account to a new folder. Removes the folder if that fails.

    The person sees in their access log that an operator has read their words. Raises TenantError,
    AccountError, ExportError.
    """
    async with open_tenant(settings.app_dsn, tenant_slug) as (pool, tenant):
        async with tenant_tx(pool, tenant.id) as db:
            account = await select_one_account(db, tenant.id, who)
        storage = open_storage(settings)
        export = Export(pool, storage, account, None, datetime.now(UTC))
        with _create_folder_or_clean_up(folder):
            await _write_files(export, folder)
    sys.stdout.write(f"exported: open {folder / PAGE} in a browser\n")


@contextmanager
def _create_folder_or_clean_up(folder: Path) -> Iterator[None]:
    """Creates the folder. Removes it if the body raises."""
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise ExportError(f"{folder} exists already: name a new folder") from error
    try:
        yield
    except BaseException:
        shutil.rmtree(folder)
        raise


async def _write_files(export: Export, folder: Path) -> None:
    with ExitStack() as opened:
        name, file = "", None
        async with aclosing(export_files(export)) as pieces:
            async for piece_name, data in pieces:
                if piece_name != name or file is None:
                    opened.close()
                    name, file = piece_name, opened.enter_context(_create_file(folder / piece_name))
                file.write(data)


def _create_file(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path.open("xb")
