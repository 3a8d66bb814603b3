"""One of Bodh's processes by itself, without a Bodh around it."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from harness.stack import ROOT


async def run_python(
    *arguments: str, environment: dict[str, str] | None = None
) -> asyncio.subprocess.Process:
    """Starts `python ARGUMENTS`; its output is in a pipe."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env=os.environ | (environment or {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


@dataclass
class PythonProcess:
    """`python -m MODULE` in a home folder of its own. It prints a line with `ready`."""

    home: Path
    module: str
    ready: str
    environment: dict[str, str] = field(default_factory=dict)
    start_s: float = 30.0
    end_s: float = 10.0
    process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def start(self) -> None:
        """Returns when the process is ready."""
        environment = {"BODH_HOME": str(self.home), **self.environment}
        self.process = await run_python("-m", self.module, environment=environment)
        assert self.process.stdout is not None
        async with asyncio.timeout(self.start_s):
            while self.ready.encode() not in (line := await self.process.stdout.readline()):
                assert line, f"{self.module} ended before it was ready"

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and returns the exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(self.end_s):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode
