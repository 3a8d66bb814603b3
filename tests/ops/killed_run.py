"""Starts one of each process that tests and benchmarks use, and waits to be killed."""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import async_playwright

from agent.models.espeak import EspeakTTS
from db import embedded
from harness import run_folder
from harness.browser import launch_browser
from harness.livekit import running_livekit
from harness.stack import running_stack
from settings import Settings, fill_in_and_create_secrets


async def start_everything(folder: Path) -> None:
    async with AsyncExitStack() as parts:
        parts.enter_context(running_stack())
        settings = fill_in_and_create_secrets(Settings(_env_file=None, bodh_home=folder / "media"))
        parts.enter_context(running_livekit(settings))
        await embedded.start_server(embedded.Cluster(folder / "postgres", folder / "pg"))
        voice = EspeakTTS()
        assert [chunk async for chunk in voice.synthesise_pcm("Hello.")]
        playwright = await parts.enter_async_context(async_playwright())
        await launch_browser(playwright)
        await tell_and_wait(folder)


async def start_one(folder: Path) -> None:
    """Starts a process in its own session and freezes it, and leaves a folder in memory."""
    run_folder.make_memory_folder()
    sleeper = await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True)
    os.kill(sleeper.pid, signal.SIGSTOP)
    await tell_and_wait(folder)


async def tell_and_wait(folder: Path) -> None:
    print(folder, flush=True)  # noqa: T201 the test reads it
    await asyncio.to_thread(sys.stdin.read)  # also ends if the test itself is killed


if __name__ == "__main__":
    whole = run_folder.begin_run()
    run_folder.use_own_temporary_folder(whole)
    asyncio.run({"all": start_everything, "one": start_one}[sys.argv[1]](whole))
