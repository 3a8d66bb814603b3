"""Fixtures of the agent tests: a provider of models, a speech engine, a school in a database."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from db import Pool
from harness.provider import ModelServer, running_model_provider
from settings import Settings
from speech.client import SpeechClient
from tests.agent.room_parts import School, open_school
from tests.agent.speech_parts import EngineProcess, running_engine


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with running_model_provider() as provider:
        yield provider


@pytest.fixture
def provider(server: ModelServer) -> ModelServer:
    """The provider without what earlier tests asked it and told it to do."""
    server.reset()
    return server


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EngineProcess]:
    async with running_engine(tmp_path_factory.mktemp("speech")) as process:
        yield process


@pytest.fixture
async def client(engine: EngineProcess) -> AsyncIterator[SpeechClient]:
    client = SpeechClient(engine.address)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
async def school(
    pool: Pool, tenant_id: UUID, tmp_path: Path, settings: Settings
) -> AsyncIterator[School]:
    school = await open_school(pool, tenant_id, tmp_path, settings)
    yield school
    await school.spool.close()
