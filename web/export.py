"""Everything held about an account, as a zip archive. Owns /api/me/export and the admins' route."""

from uuid import UUID

from fastapi import APIRouter, Response

from db import NotFound, tenant_tx
from db.accounts import Account, find_account
from db.export_archive import Export, export_zip
from db.roles import require_permission
from web.dependencies import AppContext, Caller, Running, rate_limited
from web.error_responses import PROBLEMS
from web.pieces import respond_in_pieces

ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
ANSWERS = {200: {"content": ZIP, "description": "A zip archive: JSON files and `index.html`"}}

router = APIRouter(prefix="/api", tags=["account"], responses=PROBLEMS)


@router.get(
    "/me/export",
    response_class=Response,
    responses=ANSWERS,  # type: ignore[arg-type]
    dependencies=[rate_limited("export")],
)
async def get_own_export(running: Running, caller: Caller) -> Response:
    """Everything held about the caller, and every transcript as the caller may see it."""
    return await _export_response(running, caller.account, reader=caller.account)


@router.get(
    "/accounts/{account_id}/export",
    response_class=Response,
    responses=ANSWERS,  # type: ignore[arg-type]
    dependencies=[rate_limited("export")],
)
async def get_account_export(account_id: UUID, running: Running, caller: Caller) -> Response:
    """The same for an account of the tenant, for admins. The person sees who exported it."""
    require_permission(caller.account, "export_accounts")
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        account = await find_account(db, caller.tenant_id, account_id)
    if account is None:
        raise NotFound("account")
    return await _export_response(running, account, reader=caller.account)


async def _export_response(running: AppContext, account: Account, *, reader: Account) -> Response:
    now = running.clock()
    export = Export(running.pool, running.storage, account, reader, now)
    headers = {"Content-Disposition": f'attachment; filename="bodh-export-{now:%Y-%m-%d}.zip"'}
    return await respond_in_pieces(
        export_zip(export), headers=headers, media_type="application/zip"
    )
