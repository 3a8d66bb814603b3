"""A process that raises and clears alarms on request, for tests of what reads them."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.stack import ROOT

CODE = """
import sys
import telemetry
from settings import Settings

telemetry.start("drain", Settings(_env_file=None, bodh_home=sys.argv[1]))
for line in sys.stdin:
    name, on, count = line.split()
    telemetry.alarm(name, on == "True", count=int(count))
    print("done", flush=True)
"""


@dataclass
class Raiser:
    """Its alarms end when the process is killed."""

    process: "subprocess.Popen[str]"

    def set_alarm(self, name: str, on: bool, count: int = 1) -> None:
        """Raises or clears an alarm, and waits until that is done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{name} {on} {count}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@contextlib.contextmanager
def raiser(home: Path) -> Iterator[Raiser]:
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(home)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    with process:
        yield Raiser(process)
        process.kill()
