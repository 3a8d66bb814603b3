"""The worker's door: what it answers to a dispatch, and what it tells the operator."""

import asyncio
import logging
from pathlib import Path
from uuid import uuid4

import pytest
from livekit.agents import JobRequest
from livekit.protocol.agent import Job

import protocol
from agent import door
from settings import Settings
from telemetry import alarms


async def test_refused_for_its_spool_a_dispatch_stays_open_to_others_and_the_alarm_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(alarms, "_folder", tmp_path)
    monkeypatch.setattr(door, "LOOK_AGAIN_S", 0.05)
    settings = Settings(_env_file=None, bodh_home=tmp_path)
    settings.spool_path.mkdir(parents=True)  # no database can be there
    answers: list[str] = []
    ours = door.Door(settings)
    await ours.answer(request(answers))
    assert answers == ["rejected, open to others"]
    assert told(caplog) == ["alarm"]
    settings.spool_path.rmdir()
    async with asyncio.timeout(5):
        while told(caplog) != ["alarm", "alarm is over"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await ours.close()


def request(answers: list[str]) -> JobRequest:
    """A dispatch of our own; `answers` gets what became of it."""

    async def reject(terminate: bool) -> None:
        answers.append("rejected for all" if terminate else "rejected, open to others")

    async def accept(_arguments: object) -> None:
        answers.append("taken")

    dispatch = protocol.DispatchMetadata(
        tenant_id=uuid4(), room_id=uuid4(), session_id=uuid4(), epoch=1
    )
    job = Job(id="AJ_1", metadata=protocol.dump(dispatch))
    return JobRequest(job=job, on_reject=reject, on_accept=accept)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.message for one in caplog.records if one.name == "bodh.alarm"]
