"""What the benches of many rooms compute from what they measured."""

import array
import subprocess
import sys
from pathlib import Path

import pytest

from bench.figures.rooms_core import Capacity
from bench.loop_lag import LoopLag
from bench.memory import pss_mb
from bench.rooms import Window


def make_window(rooms: int, job_ms: float, server_ms: float) -> Window:
    cpu = {"worker": job_ms, "media server": server_ms}
    return Window(rooms, began=0.0, ended=10.0, cpu_ms=cpu, talked=0.4, unanswered=0)


def test_loop_lag_is_read_of_the_wanted_jobs_and_times(tmp_path: Path) -> None:
    for pid, pairs in {"7": (10.0, 0.001, 20.0, 0.25, 30.0, 0.5), "8": (20.0, 9.0)}.items():
        (tmp_path / pid).write_bytes(array.array("d", pairs).tobytes() + b"half a sample")
    assert LoopLag(tmp_path).list_ms(15.0, 30.0, {7}) == [250.0]


def test_capacity_is_that_of_the_most_rooms_that_kept_up() -> None:
    capacity = Capacity([make_window(1, 100, 20), make_window(2, 70, 10), make_window(4, 60, 5)])
    capacity.in_time = 2
    assert capacity.carried_by(cores=2) == [2000 / 80]


def test_capacity_is_that_of_one_room_if_none_kept_up() -> None:
    capacity = Capacity([make_window(1, 300, 100), make_window(2, 500, 100)])
    assert capacity.carried_by(cores=2) == [5.0]


def test_memory_of_a_process_is_between_its_private_and_its_resident_memory() -> None:
    program = "print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as waiting:
        assert waiting.stdout is not None
        waiting.stdout.readline()  # it has started
        found = Path(f"/proc/{waiting.pid}/smaps_rollup").read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in found[1:]}
        measured = pss_mb([waiting.pid])
        waiting.kill()
    private = sizes["Private_Clean"] + sizes["Private_Dirty"]
    assert private * 0.9 <= measured <= sizes["Rss"] * 1.1


def test_processes_that_have_ended_have_no_memory() -> None:
    assert pss_mb([2**22 + 1]) == pytest.approx(0.0)
