"""How late the event loops of agent jobs run, measured inside them by bench/loop_probe/."""

import array
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

PROBE = Path(__file__).parent / "loop_probe"
FOLDER = "BODH_BENCH_LOOP_LAG"


@contextlib.contextmanager
def measured_loops() -> Iterator["LoopLag"]:
    """Measures the jobs of the workers that are started inside the block."""
    before = {name: os.environ.get(name) for name in (FOLDER, "PYTHONPATH")}
    with tempfile.TemporaryDirectory(prefix="bodh-lag-") as folder:
        os.environ[FOLDER] = folder
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PROBE), before["PYTHONPATH"]]))
        try:
            yield LoopLag(Path(folder))
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


class LoopLag:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list_ms(self, since: float, until: float, pids: set[int]) -> list[float]:
        """Milliseconds that these jobs' loops were late between two monotonic times.

        The last second of each job may be missing.
        """
        found: list[float] = []
        for file in self._folder.iterdir():
            if int(file.name) in pids:
                content = file.read_bytes()
                samples = array.array("d", content[: len(content) // 16 * 16])
                found += [
                    1000 * late
                    for due, late in zip(samples[::2], samples[1::2], strict=True)
                    if since <= due < until
                ]
        return found
