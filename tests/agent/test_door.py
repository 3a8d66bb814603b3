"""The worker's door: which dispatches it takes, and what it logs about the others."""

import json
import logging
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from livekit.agents import JobRequest
from livekit.protocol.agent import Job

import protocol
from agent.worker import door
from db import Pool, tenant_tx
from db.leases import begin_next_epoch
from harness.stack import free_port
from settings import Settings
from telemetry import alarms
from tests.agent.waiting import until
from tests.conftest import Database
from tests.db.rows import NOW, make_session


async def test_failing_spool_refuses_dispatches_and_its_alarm_clears_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(alarms, "_folder", tmp_path)
    monkeypatch.setattr(door, "LOOK_AGAIN_S", 0.05)
    settings = Settings(_env_file=None, bodh_home=tmp_path)
    settings.spool_path.mkdir(parents=True)  # a folder in place of the database's file
    answers: list[str] = []
    ours = door.Door(settings)
    await ours.answer_request(request(answers))
    assert answers == ["left to others"]
    assert alarms_in(caplog) == ["alarm"]
    settings.spool_path.rmdir()
    await until(lambda: alarms_in(caplog) == ["alarm", "alarm cleared"])
    await ours.close()


async def test_without_a_database_the_dispatch_is_left_to_other_workers(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    away = settings.model_copy(
        update={"database_url": f"postgresql://bodh_app@127.0.0.1:{free_port()}/bodh"}
    )
    answers: list[str] = []
    ours = door.Door(away)
    await ours.answer_request(request(answers))
    assert answers == ["left to others"]
    (line,) = [one for one in caplog.records if one.name == "bodh.agent"]
    assert (line.message, getattr(line, "why", "")) == (
        "dispatch refused",
        "ConnectionRefusedError",
    )
    await ours.close()


async def test_only_the_first_worker_takes_a_dispatch(
    settings: Settings, database: Database, pool: Pool, tenant_id: UUID
) -> None:
    async with tenant_tx(pool, tenant_id) as db:
        session_id = await make_session(db, tenant_id)
        await begin_next_epoch(db, tenant_id, session_id, NOW)
    here = settings.model_copy(update={"database_url": database.dsn()})
    answers: list[str] = []
    workers = [door.Door(here), door.Door(here)]
    for worker in workers:
        await worker.answer_request(request(answers, tenant_id, session_id))
    assert answers == ["taken", "rejected"]
    for worker in workers:
        await worker.close()


@pytest.mark.parametrize("kind", ["mentoring", "class"])
async def test_dispatch_of_a_kind_without_a_job_is_left_to_other_workers(
    settings: Settings, caplog: pytest.LogCaptureFixture, kind: protocol.SessionKind
) -> None:
    answers: list[str] = []
    ours = door.Door(settings)
    await ours.answer_request(request(answers, kind=kind))
    assert answers == ["left to others"]
    (line,) = [one for one in caplog.records if one.name == "bodh.agent"]
    assert (line.levelname, getattr(line, "kind", "")) == ("ERROR", kind)
    assert line.message == "dispatch refused: this worker has no job for sessions of this kind"
    await ours.close()


async def test_dispatch_from_an_older_token_server_is_for_the_tutor(
    settings: Settings, database: Database, pool: Pool, tenant_id: UUID
) -> None:
    async with tenant_tx(pool, tenant_id) as db:
        session_id = await make_session(db, tenant_id)
        await begin_next_epoch(db, tenant_id, session_id, NOW)
    answers: list[str] = []
    ours = door.Door(settings.model_copy(update={"database_url": database.dsn()}))
    dispatch = request(answers, tenant_id, session_id)
    sent = json.loads(dispatch.job.metadata)
    del sent["kind"]
    dispatch.job.metadata = json.dumps(sent)
    await ours.answer_request(dispatch)
    assert answers == ["taken"]
    await ours.close()


def request(
    answers: list[str],
    tenant_id: UUID | None = None,
    session_id: UUID | None = None,
    *,
    kind: protocol.SessionKind = "tutor",
) -> JobRequest:
    """A dispatch from our own token server; the outcome is appended to `answers`."""

    async def reject(terminate: bool) -> None:
        answers.append("rejected" if terminate else "left to others")

    async def accept(_arguments: object) -> None:
        answers.append("taken")

    dispatch = protocol.DispatchMetadata(
        tenant_id=tenant_id or uuid4(),
        room_id=uuid4(),
        session_id=session_id or uuid4(),
        epoch=1,
        kind=kind,
    )
    job = Job(id="AJ_1", metadata=protocol.dump(dispatch))
    return JobRequest(job=job, on_reject=reject, on_accept=accept)


def alarms_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.message for one in caplog.records if one.name == "bodh.alarm"]
