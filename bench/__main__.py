"""`python -m bench NAME` measures one figure and prints one line of JSON on stdout.

Everything else that is printed goes to stderr. `python -m bench all` measures every figure and
writes docs/benchmarks.md.
"""

import argparse
import asyncio
import importlib.util
import json
import os
import sys
import traceback
from typing import TextIO

from bench.all_figures import measure_all
from bench.machine import describe_machine, list_versions
from bench.registry import FIGURES, Figure
from bench.result import Line, make_error, make_line
from bench.table import print_line
from harness.run_folder import begin_run, use_own_temporary_folder


def main() -> None:
    if sys.argv[1:2] == ["all"]:
        measure_all(sys.argv[2:])
        return
    figure, arguments = find_figure(sys.argv[1:])
    use_own_temporary_folder(begin_run())
    stdout = take_stdout()
    try:
        line = measure(figure, arguments)
        print_line(line, figure)
    except Exception as error:  # noqa: BLE001 the reader of the line is told, whatever failed
        traceback.print_exc()
        line = make_error(figure.name, error)
    print(json.dumps(line), file=stdout, flush=True)
    sys.exit("error" in line)


def find_figure(words: list[str]) -> tuple[Figure, argparse.Namespace]:
    """The figure that a command line names, and the arguments for its module."""
    figures = {figure.name: figure for figure in FIGURES}
    names = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names.add_argument("name", choices=["all", *figures])
    figure = figures[names.parse_args(words[:1]).name]
    if importlib.util.find_spec(figure.module_name) is None:
        names.error(f"{figure.name} has no bench: {figure.module_name} is missing")
    parser = argparse.ArgumentParser(
        prog=f"python -m bench {figure.name}", description=figure.title
    )
    parser.add_argument("--runs", type=int, default=figure.runs, help="repetitions")
    importlib.import_module(figure.module_name).add_arguments(parser)
    return figure, parser.parse_args([*figure.options, *words[1:]])


def measure(figure: Figure, arguments: argparse.Namespace) -> Line:
    machine = describe_machine()
    measured = asyncio.run(importlib.import_module(figure.module_name).run(arguments))
    return make_line(
        figure.name, measured, against=figure.against, machine=machine, versions=list_versions()
    )


def take_stdout() -> TextIO:
    """Returns the real stdout. From now on, this process and its children print on stderr."""
    stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return stdout


if __name__ == "__main__":
    main()
