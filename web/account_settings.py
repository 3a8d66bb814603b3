"""The caller's own settings. Owns /api/me/settings."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field

from db import AWAY, account_settings, tenant_tx
from db.account_settings import CaptionSize, Theme
from db.members import count_unread_choices
from web.camel import CamelModel
from web.dependencies import Caller, Running, SignedInAccount, limited
from web.error_responses import PROBLEMS

CONFIRM_S = 2.0  # the agent of a running conversation reads a new choice within 1 s
POLL_S = 0.1

router = APIRouter(prefix="/api/me", tags=["account"], responses=PROBLEMS)


class AccountSettings(CamelModel):
    """The account's settings. `speechRate` is a multiple of the tutor's normal speed."""

    store_words: bool
    speech_rate: float
    voice: bool
    caption_size: CaptionSize
    read_tutor: bool
    single_keys: bool
    theme: Theme


class SavedSettings(AccountSettings):
    """The settings after a change, and from when the tutor follows `storeWords`.

    `now`: no running conversation follows an earlier choice. `later`: the tutor of a running
    conversation has not confirmed the choice. It follows the earlier one until it can read the
    database again.
    """

    store_words_from: Literal["now", "later"]


class SettingsChange(CamelModel):
    """The settings to change; omitted ones keep their value."""

    store_words: bool | None = None
    speech_rate: float | None = Field(None, ge=0.5, le=2, allow_inf_nan=False)
    voice: bool | None = None
    caption_size: CaptionSize | None = None
    read_tutor: bool | None = None
    single_keys: bool | None = None
    theme: Theme | None = None


@router.get("/settings")
async def get_settings(running: Running, caller: Caller, response: Response) -> AccountSettings:
    """The caller's settings, with defaults for those never set."""
    response.headers["Cache-Control"] = "no-store"
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        stored = await account_settings.select_settings(db, caller.tenant_id, caller.account.id)
    return AccountSettings.model_validate(stored)


@router.patch("/settings", dependencies=[limited("settings")])
async def patch_settings(body: SettingsChange, running: Running, caller: Caller) -> SavedSettings:
    """Changes some of the caller's settings.

    A new `storeWords` applies to running conversations too. The response waits up to 2 s until
    their tutors follow it.
    """
    changes = account_settings.SettingsChanges(
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
    followed = body.store_words is None or await _is_followed(
        running, caller, stored.store_words_revision
    )
    saved = AccountSettings.model_validate(stored)
    return SavedSettings(**saved.model_dump(), store_words_from="now" if followed else "later")


async def _is_followed(running: Running, caller: SignedInAccount, revision: int) -> bool:
    """Waits until all agents who serve the caller have read the choice. False after CONFIRM_S."""
    try:
        async with asyncio.timeout(CONFIRM_S):
            while True:
                async with tenant_tx(running.pool, caller.tenant_id) as db:
                    unread = await count_unread_choices(
                        db, caller.tenant_id, caller.account.id, revision
                    )
                if not unread:
                    return True
                await asyncio.sleep(POLL_S)
    except AWAY:  # includes the timeout
        return False
