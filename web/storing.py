"""The choice to store what the caller says, and when running conversations follow it."""

import asyncio
from typing import Literal

from db import AWAY, Connection, tenant_tx
from db.consent_texts import consent_texts
from db.consents import ensure_consents, withdraw_consents
from db.members import count_sessions_with_unread_choice
from web.dependencies import AppContext, SignedInAccount

CONFIRM_S = 2.0  # the agent of a running conversation reads a new choice within 1 s
POLL_S = 0.1

StoringFrom = Literal["now", "later"]


async def record_storing_choice(
    db: Connection, running: AppContext, caller: SignedInAccount, store_words: bool
) -> None:
    who = (db, caller.tenant_id, caller.account.id)
    if store_words:
        text = consent_texts(running.settings)["transcript"]
        await ensure_consents(*who, [text], running.clock())
    else:
        await withdraw_consents(*who, ["transcript"], running.clock())


async def wait_until_followed(
    running: AppContext, caller: SignedInAccount, revision: int
) -> StoringFrom:
    """Waits until all agents who serve the caller have read the choice: "later" after CONFIRM_S."""
    try:
        async with asyncio.timeout(CONFIRM_S):
            while True:
                async with tenant_tx(running.pool, caller.tenant_id) as db:
                    unread = await count_sessions_with_unread_choice(
                        db, caller.tenant_id, caller.account.id, revision
                    )
                if not unread:
                    return "now"
                await asyncio.sleep(POLL_S)
    except AWAY:  # includes the timeout
        return "later"
