"""Settings of an account. Owns account_settings; reads consents."""

from dataclasses import dataclass
from typing import Literal, TypedDict
from uuid import UUID

from db import Connection
from db.consent_texts import transcript_text

CaptionSize = Literal["small", "normal", "large", "largest"]
Theme = Literal["light", "dark", "system"]


@dataclass(frozen=True)
class AccountSettings:
    """Defaults to those of a new account; `speech_rate` is a multiple of normal speed.

    `store_words` is True only if the account has agreed to the current text about transcripts.
    """

    store_words: bool = False  # written by db/consents.py only
    store_words_revision: int = 0  # counts the changes of store_words
    speech_rate: float = 1.0
    voice: bool = True
    caption_size: CaptionSize = "normal"
    read_tutor: bool = False
    single_keys: bool = True
    theme: Theme = "system"


class SettingsChanges(TypedDict, total=False):
    """None leaves a setting unchanged."""

    speech_rate: float | None
    voice: bool | None
    caption_size: CaptionSize | None
    read_tutor: bool | None
    single_keys: bool | None
    theme: Theme | None


async def select_settings(db: Connection, tenant_id: UUID, account_id: UUID) -> AccountSettings:
    agreed = transcript_text()
    row = await db.fetchrow(
        """select store_words and exists (
                    select from consents c
                    where c.tenant_id = s.tenant_id and c.account_id = s.account_id
                      and c.kind = 'transcript' and c.policy_version = $3 and c.text_hash = $4
                      and c.session_id is null and c.withdrawn_at is null) as store_words,
                  store_words_revision, speech_rate, voice, caption_size, read_tutor,
                  single_keys, theme
           from account_settings s where tenant_id = $1 and account_id = $2""",
        tenant_id,
        account_id,
        agreed.policy_version,
        agreed.text_hash,
    )
    return AccountSettings() if row is None else AccountSettings(**row)


async def update_settings(
    db: Connection, tenant_id: UUID, account_id: UUID, changes: SettingsChanges
) -> AccountSettings:
    await _ensure_settings(db, tenant_id, account_id)
    await db.execute(
        """update account_settings
           set speech_rate = coalesce($3, speech_rate), voice = coalesce($4, voice),
               caption_size = coalesce($5, caption_size), read_tutor = coalesce($6, read_tutor),
               single_keys = coalesce($7, single_keys), theme = coalesce($8, theme)
           where tenant_id = $1 and account_id = $2""",
        tenant_id,
        account_id,
        changes.get("speech_rate"),
        changes.get("voice"),
        changes.get("caption_size"),
        changes.get("read_tutor"),
        changes.get("single_keys"),
        changes.get("theme"),
    )
    return await select_settings(db, tenant_id, account_id)


async def update_storing(
    db: Connection,
    tenant_id: UUID,
    account_id: UUID,
    store_words: bool,
    *,
    agreed_now: bool = False,
) -> None:
    """Call it only together with a change of the consent to a transcript.

    `agreed_now` counts as a change even if the account stored its words by an earlier text.
    """
    await _ensure_settings(db, tenant_id, account_id)
    await db.execute(
        """update account_settings
           set store_words = $3, store_words_revision = store_words_revision + 1
           where tenant_id = $1 and account_id = $2 and (store_words <> $3 or $4)""",
        tenant_id,
        account_id,
        store_words,
        agreed_now,
    )


async def _ensure_settings(db: Connection, tenant_id: UUID, account_id: UUID) -> None:
    await db.execute(
        """insert into account_settings (tenant_id, account_id) values ($1, $2)
           on conflict (tenant_id, account_id) do nothing""",
        tenant_id,
        account_id,
    )
