"""What people agreed to, and when they withdrew it. Owns consents.

The consent to a transcript is the choice to store words: giving and withdrawing it also writes
`account_settings.store_words`. The agent reads both, because a consent to an earlier text does not
count.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from db import Connection
from db.account_settings import update_storing
from db.attendance import Present
from db.consent_texts import ConsentKind, ConsentText


async def list_consents(
    db: Connection, tenant_id: UUID, account_id: UUID, texts: Collection[ConsentText]
) -> dict[ConsentKind, datetime]:
    """When the account agreed to each of these texts. Consents to other versions don't count."""
    rows = await db.fetch(
        """select c.kind, c.given_at from consents c
           join unnest($3::text[], $4::text[], $5::text[]) as t (kind, policy_version, text_hash)
             using (kind, policy_version, text_hash)
           where c.tenant_id = $1 and c.account_id = $2 and c.session_id is null
             and c.withdrawn_at is null""",
        tenant_id,
        account_id,
        *_text_columns(texts),
    )
    return {row["kind"]: row["given_at"] for row in rows}


async def list_present_without_consent(
    db: Connection, tenant_id: UUID, texts: Collection[ConsentText]
) -> list[Present]:
    """People in rooms who have not agreed to all of these texts; a guardian's is for learners."""
    rows = await db.fetch(
        """select distinct s.id as session_id, r.name as room_name, a.identity
           from livekit_participants p
           join accounts a on a.tenant_id = p.tenant_id and a.id = p.account_id
           join sessions s on s.tenant_id = p.tenant_id and s.id = p.session_id
           join livekit_rooms r on r.tenant_id = s.tenant_id and r.id = s.room_id
           join unnest($2::text[], $3::text[], $4::text[]) as t (kind, policy_version, text_hash)
             on t.kind <> 'guardian' or a.role = 'learner'
           where p.tenant_id = $1 and p.left_at is null and not exists (
             select from consents c
             where c.tenant_id = p.tenant_id and c.account_id = p.account_id and c.kind = t.kind
               and c.policy_version = t.policy_version and c.text_hash = t.text_hash
               and c.session_id is null and c.withdrawn_at is null)
           order by r.name, a.identity""",
        tenant_id,
        *_text_columns(texts),
    )
    return [Present(**row) for row in rows]


async def insert_consents_and_set_storing(
    db: Connection, tenant_id: UUID, account_id: UUID, texts: Collection[ConsentText], now: datetime
) -> None:
    """Records that the account agrees to these texts. Keeps the time of an earlier consent."""
    given = await db.fetch(
        """insert into consents
             (tenant_id, account_id, kind, policy_version, text_hash, given_at)
           select $1, $2, kind, policy_version, text_hash, $6
           from unnest($3::text[], $4::text[], $5::text[]) as t (kind, policy_version, text_hash)
           on conflict do nothing returning kind""",
        tenant_id,
        account_id,
        *_text_columns(texts),
        now,
    )
    if any(text.kind == "transcript" for text in texts):
        agreed_now = any(row["kind"] == "transcript" for row in given)
        await update_storing(db, tenant_id, account_id, True, agreed_now=agreed_now)


async def withdraw_consents(
    db: Connection, tenant_id: UUID, account_id: UUID, kinds: Collection[ConsentKind], now: datetime
) -> None:
    """Withdraws the account's consents of these kinds, to any version of their texts."""
    await db.execute(
        """update consents set withdrawn_at = $4
           where tenant_id = $1 and account_id = $2 and kind = any($3) and session_id is null
             and withdrawn_at is null""",
        tenant_id,
        account_id,
        list(kinds),
        now,
    )
    if "transcript" in kinds:
        await update_storing(db, tenant_id, account_id, False)


def _text_columns(texts: Collection[ConsentText]) -> tuple[list[str], list[str], list[str]]:
    return (
        [text.kind for text in texts],
        [text.policy_version for text in texts],
        [text.text_hash for text in texts],
    )
