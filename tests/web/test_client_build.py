"""The built page: small enough, with nothing inline that its Content-Security-Policy blocks."""

import gzip
import re

from web.pages import DIST

ROOM_BYTES = 320 * 1024
LATER = ("DebugDrawer",)  # loaded on demand


def test_room_page_loads_at_most_320_kb_of_script() -> None:
    scripts = [x for x in (DIST / "assets").glob("*.js") if not x.name.startswith(LATER)]
    assert any(script.name.startswith("RoomPage") for script in scripts)
    assert sum(len(gzip.compress(script.read_bytes())) for script in scripts) <= ROOM_BYTES


def test_page_has_no_inline_script_or_style_and_uses_no_other_host() -> None:
    page = (DIST / "index.html").read_text()
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page) == []
    assert [x for x in re.findall(r'(?:src|href)="([^"]*)"', page) if not x.startswith("/")] == []
    for sheet in (DIST / "assets").glob("*.css"):
        assert re.findall(r"url\((?!['\"]?/assets/)|@import", sheet.read_text()) == []
