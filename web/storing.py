"""The choice to store what the caller says, and when running conversations follow it."""

import asyncio
from typing import Annotated, Literal

from pydantic import Field

from db import AWAY, Conflict, Connection, tenant_tx
from db.consent_texts import transcript_text
from db.consents import insert_consents_and_set_storing, withdraw_consents
from db.members import count_sessions_with_unread_choice
from web.dependencies import AppContext, SignedInAccount

CONFIRM_S = 2.0  # the agent of a running conversation reads a new choice within 1 s
POLL_S = 0.1

TEXT_CHANGED = "The text has changed. Reload the page and read it again."

StoringFrom = Literal["now", "later"]
TextHash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


async def agree_to_storing(
    db: Connection, running: AppContext, caller: SignedInAccount, text_hash: str
) -> None:
    """Consents to the text with this hash. Raises Conflict if it is not the current one."""
    text = transcript_text()
    if text.text_hash != text_hash:
        raise Conflict(TEXT_CHANGED)
    await insert_consents_and_set_storing(
        db, caller.tenant_id, caller.account.id, [text], running.clock()
    )


async def stop_storing(db: Connection, running: AppContext, caller: SignedInAccount) -> None:
    await withdraw_consents(
        db, caller.tenant_id, caller.account.id, ["transcript"], running.clock()
    )


async def wait_until_agents_read_choice(
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
