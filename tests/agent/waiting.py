"""Waits for what another task, thread or process does."""

import asyncio
import inspect
from collections.abc import Callable


async def until(condition: Callable[[], object], what: str = "", within_s: float = 20.0) -> None:
    """Returns once the condition, which may be a coroutine function, is true."""
    try:
        async with asyncio.timeout(within_s):
            while not await _result_of(condition):  # noqa: ASYNC110 nothing reports the change
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {what or 'the condition'}") from None


async def _result_of(condition: Callable[[], object]) -> object:
    result = condition()
    # a speech handle could be awaited too, but it is a value here
    return await result if inspect.iscoroutine(result) else result
