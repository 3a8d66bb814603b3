"""What an account has to agree to before it joins a room."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from livekit import api

from db import Connection, Pool, tenant_tx
from db.accounts import Account
from db.attendance import Present
from db.consent_texts import ConsentKind, ConsentText, consent_texts
from db.consents import list_consents, list_present_without_consent
from db.rooms import list_running_rooms
from db.tenants import TenantPolicy, select_policy
from rooms.everyone_present import act_on_everyone_present
from rooms.media import MEDIA_ERRORS, MediaUnavailable, remove_participant
from settings import Settings

logger = logging.getLogger(__name__)


class ConsentRequired(Exception):
    pass


class GuardianConsentRequired(Exception):
    """A parent or guardian of the learner has to agree before the learner joins a room."""


@dataclass(frozen=True)
class AccountConsents:
    """The texts as they are now, when the account agreed to them, and which ones it must."""

    texts: Mapping[ConsentKind, ConsentText]
    given_at: Mapping[ConsentKind, datetime]
    needed: Sequence[ConsentKind]

    @property
    def missing(self) -> list[ConsentKind]:
        return [kind for kind in self.needed if kind not in self.given_at]


async def select_consents(settings: Settings, db: Connection, account: Account) -> AccountConsents:
    texts = consent_texts(settings)
    needed = _list_needed_kinds(texts, await select_policy(db, account.tenant_id))
    if account.role != "learner":
        needed = [kind for kind in needed if kind != "guardian"]
    given_at = await list_consents(db, account.tenant_id, account.id, list(texts.values()))
    return AccountConsents(texts, given_at, needed)


def _list_needed_kinds(
    texts: Mapping[ConsentKind, ConsentText], policy: TenantPolicy
) -> list[ConsentKind]:
    """What a learner of the tenant has to agree to."""
    needed: list[ConsentKind] = ["tutor"]
    if "provider" in texts:
        needed.append("provider")
    if policy.guardian_consent == "required":
        needed.append("guardian")
    return needed


def require_consents(missing: Sequence[ConsentKind]) -> None:
    if "guardian" in missing:
        raise GuardianConsentRequired
    if missing:
        raise ConsentRequired


async def remove_account_from_rooms(lk: api.LiveKitAPI, pool: Pool, account: Account) -> None:
    """Disconnects the account from every room it is in. Raises MediaUnavailable."""
    async with tenant_tx(pool, account.tenant_id) as db:
        running = await list_running_rooms(db, account.tenant_id, account.id)
    try:
        for room in running:
            await remove_participant(lk, room.name, account.identity)
    except MEDIA_ERRORS as error:
        raise MediaUnavailable from error


async def remove_people_without_consent(settings: Settings, lk: api.LiveKitAPI, pool: Pool) -> None:
    """Removes people from running rooms who have to agree to something first.

    They may hold a join token from before they withdrew, or from before a text, a provider or
    their tenant's rules changed. Raises the errors of the media server and the database.
    """
    texts = consent_texts(settings)

    async def list_people(db: Connection, tenant_id: UUID) -> Sequence[Present]:
        needed = _list_needed_kinds(texts, await select_policy(db, tenant_id))
        return await list_present_without_consent(db, tenant_id, [texts[kind] for kind in needed])

    async def remove(one: Present) -> None:
        await remove_participant(lk, one.room_name, one.identity)
        logger.info("removed without consent", extra={"session_id": str(one.session_id)})

    await act_on_everyone_present(pool, list_people, remove)
