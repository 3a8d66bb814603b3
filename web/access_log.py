"""Who has read the caller's words. Owns /api/me/reads."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from db import tenant_tx
from db.access_log import ReaderRole, ReadRoute, list_reads
from web.camel import CamelModel
from web.dependencies import Caller, Running
from web.error_responses import PROBLEMS

MOST_READS = 200

router = APIRouter(prefix="/api/me", tags=["transcripts"], responses=PROBLEMS)


class WordsReadEntry(CamelModel):
    """Somebody has read what the caller said in a session."""

    at: datetime = Field(description="The minute. Reads of the same words within it are one entry")
    reader_role: ReaderRole
    reader_name: str | None = Field(description="Null for an operator or a deleted account")
    route: ReadRoute
    session_id: UUID | None = Field(description="Null if the session was deleted")
    session_started_at: datetime | None
    module_title: str | None


class WordsReads(CamelModel):
    """The newest 200 entries, newest first. An export contains all."""

    reads: list[WordsReadEntry]


@router.get("/reads")
async def get_own_reads(running: Running, caller: Caller) -> WordsReads:
    """Who has read the caller's words: teachers, admins, classmates in the room, operators."""
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        reads = await list_reads(db, caller.tenant_id, caller.account.id, MOST_READS)
    return WordsReads(reads=[WordsReadEntry.model_validate(read) for read in reads])
