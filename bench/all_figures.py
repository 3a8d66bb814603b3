"""`python -m bench all`: measures one figure after another, each in a process of its own."""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.baselines.install import install_all
from bench.registry import FIGURES
from bench.report import read_results, write_report
from bench.result import Line
from harness.run_folder import begin_run, processes_of_run, use_own_temporary_folder
from harness.stack import ROOT

LIMIT_S = 900.0  # of one figure: three times what it should take


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench all", description=__doc__)
    names = [figure.name for figure in FIGURES]
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: every figure")
    parser.add_argument("--runs", type=int, help="repetitions; default: each figure's own")
    arguments = parser.parse_args(words)
    if unknown := set(arguments.names) - set(names):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    arguments.names = arguments.names or names
    return arguments


def measure_all(words: Sequence[str]) -> None:
    """Writes the page after each figure, so that little is lost if it is interrupted."""
    arguments = parse_arguments(words)
    folder = begin_run()
    use_own_temporary_folder(folder)
    options = [] if arguments.runs is None else ["--runs", str(arguments.runs)]
    install_all()
    results = read_results()
    for number, name in enumerate(arguments.names, 1):
        print(f"\n{number} of {len(arguments.names)}: {name}", file=sys.stderr, flush=True)
        results[name] = measure_in_process([sys.executable, "-m", "bench", name, *options], name)
        end_leftovers(folder)
        write_report(results)


def measure_in_process(command: Sequence[str], name: str, limit_s: float = LIMIT_S) -> Line:
    """The line that the command prints, or one with an error."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"name": name, "error": f"took longer than {limit_s:.0f} s"}
    if not done.stdout:
        return {"name": name, "error": f"ended with status {done.returncode}"}
    line: Line = json.loads(done.stdout)
    return line


def end_leftovers(folder: Path) -> None:
    """Kills all other processes of this run, so that no figure disturbs the next."""
    for pid in processes_of_run(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
