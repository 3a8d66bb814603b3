"""The readable page of an account's export: one HTML file without scripts. No I/O."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d")
ID = re.compile(r"(.*_)?(id|sid|seq|identity)")  # only in the JSON files

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; }
h2 { margin-top: 2.5rem; border-top: 1px solid; padding-top: 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { text-align: start; vertical-align: top; padding: .25rem 1rem .25rem 0; }
.said { margin: .5rem 0; overflow-wrap: anywhere; }
.mine .name { font-weight: bold; }
.time, .note { opacity: .75; }
@media print { body { max-width: none; margin: 0; } h2, h3 { break-after: avoid; } .said, tr { break-inside: avoid; } }
"""  # noqa: E501 CSS


def page_start(name: str, now: datetime) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>What Bodh holds about {escape(name)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>What Bodh holds about <bdi>{escape(name)}</bdi></h1>\n"
        f"<p>Exported {_format_time(now.isoformat())}. All times are in UTC. "
        "The JSON files beside this page contain the same data with all ids.</p>\n"
    )


def page_end() -> str:
    return "</body>\n</html>\n"


def part_section(title: str, note: str, rows: Sequence[str]) -> str:
    """A table of JSON objects that have the same keys."""
    heading = f'<h2>{escape(title)}</h2>\n<p class="note">{escape(note)}</p>\n'
    return heading + (_table_html([json.loads(row) for row in rows]) or "<p>Nothing.</p>\n")


def sessions_heading(count: int) -> str:
    note = "What you said and heard, session by session, and when you were there."
    empty = "" if count else "<p>Nothing.</p>\n"
    return f'<h2>Your conversations</h2>\n<p class="note">{note}</p>\n{empty}'


def session_heading(facts: str, attendance: Sequence[str], segments: int) -> str:
    session = json.loads(facts)
    places = [str(session[key]) for key in ("course", "module") if session[key]]
    title = escape(": ".join(places) or "Conversation")
    stays = _table_html([json.loads(stay) for stay in attendance])
    empty = "" if segments else "<p>Nothing was said.</p>\n"
    return f"<h3><bdi>{title}</bdi>, {_format_time(session['started_at'])}</h3>\n{stays}{empty}"


def said_lines(segments: Iterable[str]) -> str:
    return "".join(_said_line(json.loads(segment)) for segment in segments)


def _said_line(segment: dict[str, Any]) -> str:
    kind = "said mine" if segment["mine"] else "said"
    words = escape(segment["text"]) if segment["text"] else "<i>not stored</i>"
    return (
        f'<p class="{kind}"><span class="time">{_format_time(segment["started_at"])}</span> '
        f'<bdi class="name">{escape(segment["name"])}</bdi>: <bdi>{words}</bdi></p>\n'
    )


def _table_html(rows: Sequence[dict[str, Any]]) -> str:
    """Empty without rows."""
    if not rows:
        return ""
    names = [name for name in rows[0] if not ID.fullmatch(name)]
    head = "".join(f"<th>{escape(name.replace('_', ' ').capitalize())}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell_html(row.get(name))}</td>" for name in names) + "</tr>\n"
        for row in rows
    )
    return f'<div class="scroll"><table>\n<tr>{head}</tr>\n{body}</table></div>\n'


def _cell_html(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and TIME.fullmatch(value):
        return _format_time(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"<bdi>{escape(text)}</bdi>"


def _format_time(value: str) -> str:
    """An ISO time, to the second in UTC."""
    return f"{datetime.fromisoformat(value).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
