"""The caller's own settings. Owns /api/me/settings."""

from typing import Self

from fastapi import APIRouter
from pydantic import Field, model_validator

from db import account_settings, tenant_tx
from db.account_settings import CaptionSize, Theme
from web.camel import CamelModel
from web.dependencies import Caller, Running, rate_limited
from web.error_responses import PROBLEMS
from web.storing import (
    StoringFrom,
    TextHash,
    agree_to_storing,
    stop_storing,
    wait_until_agents_read_choice,
)

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

    store_words_from: StoringFrom


class SettingsChange(CamelModel):
    """The settings to change; omitted ones keep their value.

    `storeWords: true` agrees to the text about transcripts, so it needs `transcriptTextHash`: the
    hash of the text that the caller has seen, from `GET /api/me/consents`.
    """

    store_words: bool | None = None
    transcript_text_hash: TextHash | None = None
    speech_rate: float | None = Field(None, ge=0.5, le=2, allow_inf_nan=False)
    voice: bool | None = None
    caption_size: CaptionSize | None = None
    read_tutor: bool | None = None
    single_keys: bool | None = None
    theme: Theme | None = None

    @model_validator(mode="after")
    def _names_the_text_agreed_to(self) -> Self:
        if self.store_words and self.transcript_text_hash is None:
            raise ValueError("storeWords needs transcriptTextHash, the text that was agreed to")
        return self


@router.get("/settings")
async def get_settings(running: Running, caller: Caller) -> AccountSettings:
    """The caller's settings, with defaults for those never set."""
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        stored = await account_settings.select_settings(db, caller.tenant_id, caller.account.id)
    return AccountSettings.model_validate(stored)


@router.patch("/settings", dependencies=[rate_limited("settings")])
async def patch_settings(body: SettingsChange, running: Running, caller: Caller) -> SavedSettings:
    """Changes some of the caller's settings.

    `storeWords` is the consent to a transcript, or withdraws it. It applies to running
    conversations too. The response waits up to 2 s until their tutors follow it. Answers 409 if
    the text has changed since it was shown.
    """
    changes = account_settings.SettingsChanges(
        speech_rate=body.speech_rate,
        voice=body.voice,
        caption_size=body.caption_size,
        read_tutor=body.read_tutor,
        single_keys=body.single_keys,
        theme=body.theme,
    )
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        if body.store_words and body.transcript_text_hash is not None:
            await agree_to_storing(db, running, caller, body.transcript_text_hash)
        elif body.store_words is False:
            await stop_storing(db, running, caller)
        stored = await account_settings.update_settings(
            db, caller.tenant_id, caller.account.id, changes
        )
    choice: StoringFrom = "now"
    if body.store_words is not None:
        choice = await wait_until_agents_read_choice(running, caller, stored.store_words_revision)
    saved = AccountSettings.model_validate(stored)
    return SavedSettings(**saved.model_dump(), store_words_from=choice)
