"""Tasks with an owner: failures are logged, and none outlives its owner."""

import asyncio

import pytest

from agent.room.tasks import Tasks


async def fail() -> None:
    raise ValueError("broken")


async def test_failure_is_logged_with_the_owner(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks("captions")
    tasks.spawn(fail())
    await tasks.wait_for_all()
    (record,) = caplog.records
    assert (record.message, vars(record)["kind"]) == ("task failed", "captions")
    assert record.exc_info is not None
    assert record.exc_info[0] is ValueError


async def test_close_cancels_and_returns_when_all_have_ended() -> None:
    tasks, ended = Tasks("captions"), []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    running = [tasks.spawn(wait()) for _ in range(2)]
    await asyncio.sleep(0)
    await tasks.close()
    assert ended == [True, True]
    assert all(task.cancelled() for task in running)


async def test_work_that_comes_after_the_end_never_begins() -> None:
    tasks, begun = Tasks("captions"), []

    async def begin() -> None:
        begun.append(True)

    await tasks.close()
    late = tasks.spawn(begin())
    await tasks.wait_for_all()
    assert (begun, late.cancelled()) == ([], True)


async def test_owner_goes_on_after_it_has_cancelled_its_tasks() -> None:
    tasks, begun = Tasks("captions"), []

    async def begin() -> None:
        begun.append(True)

    before = tasks.spawn(asyncio.Event().wait())  # type: ignore[arg-type]
    await tasks.cancel_all()
    tasks.spawn(begin())
    await tasks.wait_for_all()
    assert (before.cancelled(), begun) == (True, [True])


async def test_join_returns_at_its_timeout_and_leaves_the_task_running() -> None:
    tasks = Tasks("captions")
    task = tasks.spawn(asyncio.Event().wait())  # type: ignore[arg-type]
    await tasks.wait_for_all(0.01)
    assert not task.done()
    await tasks.close()
