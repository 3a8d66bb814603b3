"""A figure as lines for people."""

import sys

from bench.registry import Figure
from bench.result import Line
from bench.targets import judge


def print_line(line: Line, figure: Figure) -> None:
    """Prints on stderr."""
    print(f"\n{figure.name}: {figure.title} ({line['unit']})", file=sys.stderr)
    for name, found in ({"ours": line["ours"]} | line["baselines"]).items():
        print(f"  {name:<24} {format_summary(found)}", file=sys.stderr)
    for name, value in line["quality"].items():
        print(f"  {name:<24} {format_value(value)}", file=sys.stderr)
    for name, seconds in line["cpu_s"].items():
        print(f"  CPU of {name:<17} {seconds:.3f} s", file=sys.stderr)
    for verdict in (judge(target, line) for target in figure.asked):
        found = "not measured" if verdict.found is None else f"{verdict.found:g}"
        print(
            f"  asked: {verdict.target}: {found}, {'met' if verdict.met else 'MISSED'}",
            file=sys.stderr,
        )


def format_value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {format_value(one)}" for key, one in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def format_summary(found: Line) -> str:
    if "error" in found:
        return str(found["error"])
    return (
        f"p50 {found['p50']:9.4g}  p95 {found['p95']:9.4g}"
        f"  spread {found['spread']:8.3g}  n={found['n']}"
    )
