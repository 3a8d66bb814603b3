"""Writes docs/benchmarks.md: every figure with its targets and a plot."""

import json
from collections.abc import Iterable
from pathlib import Path

from bench.plot import draw_plot
from bench.registry import FIGURES, Figure
from bench.result import Line
from bench.table import format_value
from bench.targets import Verdict, judge
from harness.stack import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS_NAME = "results.jsonl"  # next to the plots: the lines of JSON behind the page
INTRODUCTION = """\
# Benchmarks

Written by `python -m bench all`. Every figure is measured beside its baselines in the same run, in
turns, with the same sound and the same weights. `ours` and the baselines are given as median / 95th
percentile. A ratio is our median divided by the baseline's. What was asked is never lowered: a
figure that is missed stays here, with the reason.

To repeat it, stop everything else on the machine and run `make bench`, or `python -m bench NAME`
for one figure; `--runs N` repeats it more often. `python -m bench all NAME ...` measures some
figures again and keeps the others. [The lines of JSON](benchmarks/results.jsonl) have every value.
"""
NOT_YET = {"error": "no run yet"}


def read_results(page: Path = PAGE) -> dict[str, Line]:
    """The newest line of each figure, by name."""
    path = _folder_of(page) / RESULTS_NAME
    lines = path.read_text().splitlines() if path.exists() else []
    return {line["name"]: line for line in map(json.loads, lines)}


def write_report(results: dict[str, Line], page: Path = PAGE) -> None:
    """Writes the page, its plots and the lines of JSON behind them. A line may hold an error."""
    folder = _folder_of(page)
    folder.mkdir(parents=True, exist_ok=True)
    for figure in FIGURES:
        line = results.get(figure.name, NOT_YET)
        if "error" not in line:
            (folder / f"{figure.name}.svg").write_text(draw_plot(line, figure.title))
    lines = [results[figure.name] for figure in FIGURES if figure.name in results]
    (folder / RESULTS_NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
    page.write_text(make_page(results))


def make_page(results: dict[str, Line]) -> str:
    found = [(figure, results.get(figure.name, NOT_YET)) for figure in FIGURES]
    parts = [INTRODUCTION, _describe_setup(line for _, line in found)]
    parts.append("| figure | ours | baselines | ratio | asked | |\n|---|---|---|---|---|---|")
    parts[-1] += "".join("\n" + _make_row(figure, line) for figure, line in found)
    parts += [_make_section(figure, line) for figure, line in found]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _describe_setup(lines: Iterable[Line]) -> str:
    """One line for each different machine and set of versions."""
    described: dict[str, list[str]] = {}
    for line in lines:
        if "error" in line:
            continue
        machine, versions = line["machine"], line["versions"]
        text = (
            f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gb']:g} GB of memory, "
            f"Linux {machine['kernel']}; "
            + ", ".join(f"{name} {version}" for name, version in versions.items())
        )
        described.setdefault(text, []).append(line["name"])
    if len(described) == 1:
        return f"Measured on {next(iter(described))}."
    return "\n".join(f"- {', '.join(names)}: {text}" for text, names in described.items())


def _make_row(figure: Figure, line: Line) -> str:
    name = f"[`{figure.name}`](#{_anchor_of(figure)})"
    if "error" in line:
        asked = "<br>".join(f"`{target}`" for target in figure.asked)
        missed = "**missed**" if figure.asked else ""
        return f"| {name} | not measured: {_escape(line['error'])} | | | {asked} | {missed} |"
    baselines = "<br>".join(
        f"{other} {_format_summary(one)}" for other, one in line["baselines"].items()
    )
    verdicts = [judge(target, line) for target in figure.asked]
    ratio = "" if line["ratio"] is None else f"{line['ratio']:.2f}"
    asked = "<br>".join(map(_format_verdict, verdicts))
    met = "met" if all(verdict.met for verdict in verdicts) else "**missed**"
    return (
        f"| {name} | {_format_summary(line['ours'])} {line['unit']} | {baselines} | {ratio} | "
        f"{asked} | {met if verdicts else ''} |"
    )


def _format_verdict(verdict: Verdict) -> str:
    found = "not measured" if verdict.found is None else f"{verdict.found:.4g}"
    return f"`{verdict.target}`: {found}{'' if verdict.met else ', **missed**'}"


def _format_summary(found: Line) -> str:
    if "error" in found:
        return f"could not run: {_escape(found['error'])}"
    return f"{found['p50']:.4g} / {found['p95']:.4g}"


def _make_section(figure: Figure, line: Line) -> str:
    parts = [f"## {figure.name}", f"{figure.title[0].upper()}{figure.title[1:]}."]
    if figure.note:
        parts.append(figure.note)
    if "error" in line:
        return "\n\n".join([*parts, f"Not measured: {_escape(line['error'])}"])
    parts.append(f"![{figure.name}](benchmarks/{figure.name}.svg)")
    parts.append(
        f"n = {line['ours']['n']}, interquartile range {line['ours']['spread']:.4g}, "
        f"load average {line['machine']['load']:.2f} before it began."
    )
    found = [_format_quality(name, value) for name, value in line["quality"].items()]
    found += [f"- CPU of {name}: {seconds:.4g} s" for name, seconds in line["cpu_s"].items()]
    return "\n\n".join([*parts, "\n".join(found)] if found else parts)


def _format_quality(name: str, value: object) -> str:
    return f"- `{name}`: {_escape(format_value(value))}"


def _anchor_of(figure: Figure) -> str:
    return figure.name.replace(".", "")


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _folder_of(page: Path) -> Path:
    return page.with_suffix("")
