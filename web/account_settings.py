"""The caller's choices. Owns /api/me/settings."""

from fastapi import APIRouter, Response

import rooms
from db import account_settings, tenant_tx
from web.context import Caller, Running
from web.errors import PROBLEMS
from web.models import AccountSettings, SettingsChange

router = APIRouter(prefix="/api/me", tags=["account"], responses=PROBLEMS)


@router.get("/settings")
async def get_settings(running: Running, caller: Caller, response: Response) -> AccountSettings:
    """What the caller chose; the defaults where they did not."""
    response.headers["Cache-Control"] = "no-store"
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        stored = await account_settings.select_settings(db, caller.tenant_id, caller.account.id)
    return _settings(stored)


@router.patch("/settings")
async def patch_settings(body: SettingsChange, running: Running, caller: Caller) -> AccountSettings:
    """Stores what is given and leaves the rest.

    `storeWords` reaches the tutor of a running talk at once, and of a later one with the token.
    """
    changes = account_settings.Changes(
        store_words=body.store_words,
        speech_rate=body.speech_rate,
        voice=body.voice,
        caption_size=body.caption_size,
        read_tutor=body.read_tutor,
        single_keys=body.single_keys,
        theme=body.theme,
    )
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        stored = await account_settings.update_settings(
            db, caller.tenant_id, caller.account.id, changes
        )
    if body.store_words is not None:
        await rooms.publish_choices(running.lk, running.pool, caller.account)
    return _settings(stored)


def _settings(stored: account_settings.AccountSettings) -> AccountSettings:
    return AccountSettings.model_validate(stored, from_attributes=True)
