"""The learners of a room as its agent knows them.

Reads room_learners, accounts, account_settings, consents.

Owns `room_learners.store_words_read`: which choice about storing words the room's agent follows.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from db import Connection
from db.consent_texts import transcript_text

MOST_MEMBERS = 1000


@dataclass(frozen=True)
class Member:
    """A learner of a room. `store_words_revision` counts the changes of their choice.

    `store_words` is True only if they have agreed to the current text about transcripts.
    """

    account_id: UUID
    identity: str
    name: str
    lesson_id: UUID | None
    revision: int
    store_words: bool
    store_words_revision: int
    store_words_read: int
    blocked: bool


async def find_member(
    db: Connection, tenant_id: UUID, room_id: UUID, identity: str
) -> Member | None:
    members = await _select_members(db, tenant_id, room_id, only=identity)
    return members[0] if members else None


async def list_members(
    db: Connection, tenant_id: UUID, room_id: UUID, identities: Collection[str] = ()
) -> list[Member]:
    """Who got a token for the room: these identities first, then the latest.

    Returns at most MOST_MEMBERS.
    """
    return await _select_members(db, tenant_id, room_id, first=identities)


async def _select_members(
    db: Connection,
    tenant_id: UUID,
    room_id: UUID,
    *,
    first: Collection[str] = (),
    only: str | None = None,
) -> list[Member]:
    agreed = transcript_text()
    rows = await db.fetch(
        """select a.id as account_id, a.identity, a.name, l.lesson_id, l.revision,
                  coalesce(s.store_words, false) and exists (
                    select from consents c
                    where c.tenant_id = a.tenant_id and c.account_id = a.id
                      and c.kind = 'transcript' and c.policy_version = $6 and c.text_hash = $7
                      and c.session_id is null and c.withdrawn_at is null) as store_words,
                  coalesce(s.store_words_revision, 0) as store_words_revision, l.store_words_read,
                  a.blocked_at is not null as blocked
           from room_learners l
           join accounts a on a.tenant_id = l.tenant_id and a.id = l.account_id
           left join account_settings s on s.tenant_id = a.tenant_id and s.account_id = a.id
           where l.tenant_id = $1 and l.room_id = $2 and ($3::text is null or a.identity = $3)
           order by a.identity = any($4) desc, l.token_at desc, l.account_id limit $5""",
        tenant_id,
        room_id,
        only,
        list(first),
        MOST_MEMBERS,
        agreed.policy_version,
        agreed.text_hash,
    )
    return [Member(**row) for row in rows]


async def record_storing_choice_read(
    db: Connection, tenant_id: UUID, room_id: UUID, account_id: UUID, revision: int
) -> None:
    """Records that the room's agent follows the learner's choice of that revision."""
    await db.execute(
        """update room_learners set store_words_read = $4
           where tenant_id = $1 and room_id = $2 and account_id = $3 and store_words_read < $4""",
        tenant_id,
        room_id,
        account_id,
        revision,
    )


async def count_sessions_with_unread_choice(
    db: Connection, tenant_id: UUID, account_id: UUID, revision: int
) -> int:
    """In how many of the account's running sessions the agent has not read that choice yet."""
    count: int = await db.fetchval(
        """select count(*) from room_learners l
           join sessions s on s.tenant_id = l.tenant_id and s.room_id = l.room_id
           where l.tenant_id = $1 and l.account_id = $2 and s.status = 'active'
             and l.store_words_read < $3
             and exists (
               select from livekit_participants p
               where p.tenant_id = $1 and p.session_id = s.id and p.account_id = $2)""",
        tenant_id,
        account_id,
        revision,
    )
    return count
