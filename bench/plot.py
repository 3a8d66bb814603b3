"""A figure as an SVG: a bar for us and for each baseline, from 0 to p50, with a mark at p95."""

from dataclasses import dataclass
from html import escape

from bench.result import Line

WIDTH, ROW, LABEL, NUMBERS = 720, 28, 190, 150
BAR = WIDTH - LABEL - NUMBERS
OURS, THEIRS, MARK = "#2f6f4f", "#9aa5b1", "#3d4852"
STYLE = "text{font:13px system-ui,sans-serif;fill:#222}.head{font-weight:600}"
BACKGROUND = '<rect width="100%" height="100%" fill="#fff"/>'


@dataclass(frozen=True)
class Bar:
    """Either the values or an `error`."""

    name: str
    p50: float = 0.0
    p95: float = 0.0
    error: str = ""


def draw_plot(line: Line, title: str) -> str:
    """The line must hold our summary, not an error."""
    bars = [_make_bar("Bodh", line["ours"])]
    bars += [_make_bar(name, found) for name, found in line["baselines"].items()]
    longest = max((max(bar.p50, bar.p95) for bar in bars), default=0.0) or 1.0
    rows = [
        _draw_bar(bar, longest, top=44 + ROW * number, fill=THEIRS if number else OURS)
        for number, bar in enumerate(bars)
    ]
    height = 44 + ROW * len(bars) + 26
    unit = escape(str(line["unit"]))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{escape(line['name'])}: {escape(title)}</title>",
            f"<style>{STYLE}</style>",
            BACKGROUND,
            f'<text class="head" x="12" y="24">{escape(line["name"])} ({unit})</text>',
            *rows,
            f'<text x="{LABEL}" y="{height - 10}">bar: median, line: 95th percentile</text>',
            "</svg>\n",
        ]
    )


def _make_bar(name: str, found: Line) -> Bar:
    if "error" in found:
        return Bar(name, error=found["error"])
    return Bar(name, found["p50"], found["p95"])


def _draw_bar(bar: Bar, longest: float, *, top: int, fill: str) -> str:
    text = top + 15
    label = f'<text x="12" y="{text}">{escape(bar.name)}</text>'
    if bar.error:
        return f'{label}<text x="{LABEL}" y="{text}">could not run</text>'
    width, mark = BAR * bar.p50 / longest, LABEL + BAR * bar.p95 / longest
    return (
        f"{label}"
        f'<rect x="{LABEL}" y="{top + 2}" width="{width:.1f}" height="18" fill="{fill}"/>'
        f'<path d="M{mark:.1f} {top}v22" stroke="{MARK}" stroke-width="2"/>'
        f'<text x="{LABEL + BAR + 12}" y="{text}">{bar.p50:.4g} / {bar.p95:.4g}</text>'
    )
