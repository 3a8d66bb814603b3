"""What the caller agrees to. Owns /api/me/consents."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import Field

import rooms
from db import Conflict, Connection, tenant_tx
from db.account_settings import select_settings
from db.consent_texts import ConsentText
from db.consents import insert_consents_and_set_storing, withdraw_consents
from settings import ModelKind
from web.camel import CamelModel
from web.dependencies import AppContext, Caller, Running, SignedInAccount, rate_limited
from web.error_responses import PROBLEMS
from web.storing import TEXT_CHANGED, StoringFrom, TextHash, wait_until_agents_read_choice

router = APIRouter(prefix="/api/me", tags=["account"], responses=PROBLEMS)

OwnKind = Literal["tutor", "provider", "transcript"]
OWN_KINDS: tuple[OwnKind, ...] = ("tutor", "provider", "transcript")


class AskedConsent(CamelModel):
    """A text to agree to, one point per line. `givenAt` is null if the caller has not agreed."""

    kind: OwnKind
    text: str
    text_hash: str
    is_needed: bool
    given_at: datetime | None


class ModelProvider(CamelModel):
    """A remote model: `stt` receives sound, `llm` words, `tts` the text of answers."""

    kind: ModelKind
    host: str


class OwnConsents(CamelModel):
    """What the caller can agree to. `providers` is empty if everything stays on this server."""

    consents: list[AskedConsent]
    providers: list[ModelProvider]
    guardian: Literal["not_needed", "missing", "given"]


class SavedConsents(OwnConsents):
    """What the caller agrees to now, and from when the tutor follows the choice to store."""

    store_words_from: StoringFrom


class Agreed(CamelModel):
    kind: OwnKind
    text_hash: TextHash


class ConsentChoice(CamelModel):
    """Everything that the caller agrees to. Consents to other kinds are withdrawn."""

    agreed: list[Agreed] = Field(max_length=len(OWN_KINDS))


@router.get("/consents")
async def get_consents(running: Running, caller: Caller) -> OwnConsents:
    """What the caller agreed to, and can or has to agree to before joining a room."""
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        found = await rooms.select_consents(running.settings, db, caller.account)
    return _own_consents(running, found)


@router.put("/consents", dependencies=[rate_limited("settings")])
async def put_consents(body: ConsentChoice, running: Running, caller: Caller) -> SavedConsents:
    """Sets what the caller agrees to, also in running conversations.

    Storing stops with the consent to it; the response waits up to 2 s until running conversations
    follow. Without a consent that is needed, the caller is removed
    from every room. Answers 409 if a text has changed since it was shown.
    """
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        current = await rooms.select_consents(running.settings, db, caller.account)
        await _set_consents(db, running, caller, _texts_shown(body, current))
        found = await rooms.select_consents(running.settings, db, caller.account)
        stored = await select_settings(db, caller.tenant_id, caller.account.id)
    if found.missing:
        await rooms.remove_account_from_rooms(running.lk, running.pool, caller.account)
    own = _own_consents(running, found)
    choice = await wait_until_agents_read_choice(running, caller, stored.store_words_revision)
    return SavedConsents(**own.model_dump(), store_words_from=choice)


def _texts_shown(body: ConsentChoice, current: rooms.AccountConsents) -> list[ConsentText]:
    """The texts that the caller agreed to. Raises Conflict if they are not the current ones."""
    texts = {text.text_hash: text for text in current.texts.values()}
    shown = [texts.get(one.text_hash) for one in body.agreed]
    found = [text for text in shown if text is not None]
    if [text.kind for text in found] != [one.kind for one in body.agreed]:
        raise Conflict(TEXT_CHANGED)
    return found


async def _set_consents(
    db: Connection, running: AppContext, caller: SignedInAccount, texts: list[ConsentText]
) -> None:
    who = (db, caller.tenant_id, caller.account.id)
    kinds = {text.kind for text in texts}
    now = running.clock()
    await withdraw_consents(*who, [kind for kind in OWN_KINDS if kind not in kinds], now)
    await insert_consents_and_set_storing(*who, texts, now)


def _own_consents(running: AppContext, found: rooms.AccountConsents) -> OwnConsents:
    guardian: Literal["not_needed", "missing", "given"] = "not_needed"
    if "guardian" in found.needed:
        guardian = "given" if "guardian" in found.given_at else "missing"
    hosts = running.settings.provider_hosts
    return OwnConsents(
        consents=[
            AskedConsent(
                kind=kind,
                text=found.texts[kind].text,
                text_hash=found.texts[kind].text_hash,
                is_needed=kind in found.needed,
                given_at=found.given_at.get(kind),
            )
            for kind in OWN_KINDS
            if kind in found.texts
        ],
        providers=[ModelProvider(kind=kind, host=host) for kind, host in hosts.items()],
        guardian=guardian,
    )
