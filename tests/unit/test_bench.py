"""The frame of the benches: summaries, targets, the line of JSON, the list of figures."""

import argparse
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.__main__ import find_figure
from bench.all_figures import measure_in_process
from bench.plot import draw_plot
from bench.registry import FIGURES
from bench.report import make_page, read_results, write_report
from bench.result import (
    Failed,
    Line,
    Measured,
    Summary,
    make_error,
    make_line,
    percentile,
    summarise,
)
from bench.targets import PATTERN, judge

OURS = summarise([100.0, 200.0, 300.0])
MEASURED = Measured(
    unit="ms",
    ours=OURS,
    baselines={"slow": summarise([800.0]), "absent": Failed("not installed")},
    quality={"wer": 1.234567, "piper": {"more": 0.5}},
    cpu_s={"ours": 2.0, "slow": 8.0},
)
LINE = make_line("stt", MEASURED, against="slow", machine={"cores": 2}, versions={"bodh": "1"})


def test_summary_of_one_value_has_no_spread() -> None:
    assert summarise([7.0]) == Summary(p50=7.0, p95=7.0, n=1, spread=0.0)


def test_summary_does_not_depend_on_the_order() -> None:
    assert summarise([4.0, 1.0, 3.0, 2.0, 5.0]) == Summary(p50=3.0, p95=4.8, n=5, spread=2.0)


def test_summary_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        summarise([])


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 2.0), (0.75, 2.5), (1.0, 3.0)])
def test_percentile_interpolates(share: float, expected: float) -> None:
    assert percentile([3.0, 1.0, 2.0], share) == expected


def test_line_has_the_fields_of_the_issue() -> None:
    assert LINE == {
        "name": "stt",
        "unit": "ms",
        "ours": {"p50": 200.0, "p95": 290.0, "n": 3, "spread": 100.0},
        "baselines": {
            "slow": {"p50": 800.0, "p95": 800.0, "n": 1, "spread": 0.0},
            "absent": {"error": "not installed"},
        },
        "ratio": 0.25,
        "quality": {"wer": 1.2346, "piper": {"more": 0.5}},
        "cpu_s": {"ours": 2.0, "slow": 8.0},
        "machine": {"cores": 2},
        "versions": {"bodh": "1"},
    }


@pytest.mark.parametrize("against", ["absent", "unknown", ""])
def test_ratio_to_a_baseline_without_a_figure_is_missing(against: str) -> None:
    assert make_line("stt", MEASURED, against=against, machine={}, versions={})["ratio"] is None


@pytest.mark.parametrize(
    ("target", "found", "met"),
    [
        ("ours.p50 <= 200", 200.0, True),
        ("ours.p50 < 200", 200.0, False),
        ("ratio <= 0.25", 0.25, True),
        ("ratio >= 2", 0.25, False),
        ("quality.piper.more == 0.5", 0.5, True),
        ("ours.p95 <= baselines.slow.p50", 290.0, True),
        ("quality.unheard_of <= 1", None, False),
        ("ours.p50 <= baselines.absent.p50", 200.0, False),
    ],
)
def test_target_is_met_only_by_a_measured_value(
    target: str, found: float | None, met: bool
) -> None:
    verdict = judge(target, LINE)
    assert (verdict.found, verdict.met) == (found, met)


def test_figures_of_the_issue_are_registered_with_what_it_asks() -> None:
    asked = {figure.name: figure.asked for figure in FIGURES}
    assert asked["stt.ttfs"] == ("ours.p50 <= 350", "ours.p95 <= 550", "ratio <= 0.25")
    assert asked["stt.ttfs.8"] == ("ours.p95 <= 600", "ratio <= 0.25")
    assert asked["stt.cpu"] == asked["stt.cpu.8"] == ("ratio <= 0.25",)
    assert asked["tts.first"] == (
        "ours.p50 <= 130",
        "ours.p95 <= 250",
        "quality.longest_gap_ms <= 150",
    )
    assert asked["turn.floor"] == (
        "ratio <= 0.5",
        "quality.early_cuts <= quality.plain_early_cuts",
    )
    assert asked["turn.v2v"] == ("ours.p50 <= 750", "ours.p95 <= 1100", "ratio <= 0.35")
    assert asked["turn.v2v.tiny"] == ("ours.p50 <= 600",)
    assert asked["barge.stop"] == (
        "ours.p50 <= 300",
        "ours.p95 <= 450",
        "quality.resumed_within_700_ms >= 0.95",
        "quality.turns_lost <= 0.05",
    )
    assert asked["greet.first"] == ("ours.p50 <= 600", "ours.p95 <= 1000")
    assert asked["rooms.core"] == ("ratio >= 2", "quality.loop_lag_p99_ms < 50")
    assert asked["rooms.rss"] == ("ratio <= 0.3",)
    assert asked["silence"] == (
        "quality.finals <= 1",
        "quality.answers == 0",
        "quality.foreign_answers == 0",
    )
    assert asked["pauses"] == ("quality.cut_in_share < 0.02",)
    assert asked["hotwords"] == ("quality.invented_terms == 0",)
    assert asked["speakers"] == ("quality.attributed == 1", "quality.leaks == 0")
    assert asked["loop.stall"] == ("ratio <= 0.5",)
    assert asked["wer"] == (
        "quality.piper.more <= 0.5",
        *(
            f"quality.{kind}.more <= 2"
            for kind in ("espeak", "noise_20", "noise_10", "noise_5", "fast", "slow", "terms")
        ),
    )


def test_every_target_can_be_read() -> None:
    assert all(PATTERN.fullmatch(target) for figure in FIGURES for target in figure.asked)


def test_names_of_figures_are_unique() -> None:
    names = [figure.name for figure in FIGURES]
    assert len(names) == len(set(names))


@pytest.mark.slow
@pytest.mark.parametrize("name", [figure.name for figure in FIGURES])
def test_every_figure_has_a_bench_that_takes_its_options(name: str) -> None:
    figure, arguments = find_figure([name])
    assert figure.name == name
    assert arguments.runs == figure.runs
    for option, value in zip(figure.options[::2], figure.options[1::2], strict=True):
        assert str(getattr(arguments, option.removeprefix("--"))) == value


def test_options_of_a_figure_can_be_overridden() -> None:
    figure, arguments = find_figure(["hostile", "--runs", "1", "--seconds", "5"])
    assert figure.name == "hostile"
    assert arguments == argparse.Namespace(runs=1, seconds=5.0)


def line_of(name: str, p50: float, **more: object) -> Line:
    machine = {"cores": 2, "cpu": "Some CPU", "memory_gb": 24.0, "kernel": "6.1", "load": 0.1}
    measured = Measured(unit="ms", ours=summarise([p50]), baselines=MEASURED.baselines)
    made = make_line(name, measured, against="slow", machine=machine, versions={"bodh": "abc"})
    return made | more


def test_plot_is_an_svg_with_a_bar_for_each_of_them() -> None:
    svg = ElementTree.fromstring(draw_plot(LINE, "from <here> to there"))  # noqa: S314 ours
    space = "{http://www.w3.org/2000/svg}"
    texts = [one.text for one in svg.iter(f"{space}text")]
    assert svg.findtext(f"{space}title") == "stt: from <here> to there"
    assert {"Bodh", "slow", "absent", "could not run", "200 / 290", "800 / 800"} <= set(texts)
    bars = [float(one.attrib["width"]) for one in svg.iter(f"{space}rect") if "x" in one.attrib]
    assert bars == [pytest.approx(max(bars) / 4), max(bars)]


def test_page_says_which_figures_are_met_missed_and_not_measured() -> None:
    results = {
        "stt.ttfs": line_of("stt.ttfs", 200.0),
        "turn.v2v.tiny": line_of("turn.v2v.tiny", 601.0),
        "page": make_error("page", TimeoutError("no browser\nin the way")),
    }
    rows = {row.split("`")[1]: row for row in make_page(results).splitlines() if row[:3] == "| ["}
    assert list(rows) == [figure.name for figure in FIGURES]
    assert rows["stt.ttfs"].endswith("| met |")
    assert "slow 800 / 800<br>absent could not run: not installed | 0.25 |" in rows["stt.ttfs"]
    assert "`ours.p50 <= 600`: 601, **missed** | **missed** |" in rows["turn.v2v.tiny"]
    assert "not measured: TimeoutError: no browser |" in rows["page"]
    assert "not measured: no run yet |" in rows["wer"]
    assert rows["wer"].endswith("| **missed** |")


def test_report_keeps_the_figures_that_were_not_measured_again(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    write_report({"wer": line_of("wer", 1.0)}, page)
    write_report(read_results(page) | {"page": line_of("page", 2.0)}, page)
    assert {name: line["ours"]["p50"] for name, line in read_results(page).items()} == {
        "wer": 1.0,
        "page": 2.0,
    }
    linked = [line.split("(")[1][:-1] for line in page.read_text().splitlines() if line[:2] == "!["]
    assert linked == ["benchmarks/wer.svg", "benchmarks/page.svg"]
    assert all((tmp_path / link).is_file() for link in linked)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('print(\'{"name": "x", "unit": "ms"}\')', {"name": "x", "unit": "ms"}),
        ("raise SystemExit(3)", {"name": "x", "error": "ended with status 3"}),
        ("import time; time.sleep(600)", {"name": "x", "error": "took longer than 5 s"}),
    ],
)
def test_line_of_a_figure_measured_in_its_own_process(script: str, expected: Line) -> None:
    assert measure_in_process([sys.executable, "-c", script], "x", limit_s=5.0) == expected
