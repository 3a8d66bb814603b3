"""The built states, served with the real security headers, and a Chromium without animations."""

import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from playwright.async_api import Browser, Page, Playwright

from harness.browser import launch_browser
from harness.stack import ROOT
from settings import Settings, fill_in_and_create_secrets
from web.middleware import security_headers

BUILT = ROOT / "build" / "states"


class Handler(SimpleHTTPRequestHandler):
    """Serves the built states with the real Content-Security-Policy."""

    headers_of_ours: dict[str, str]

    def end_headers(self) -> None:
        for name, value in self.headers_of_ours.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Logs nothing."""


@contextlib.contextmanager
def served_states(home: Path) -> Iterator[str]:
    """The address of the states. Raises FileNotFoundError if they are not built."""
    if not (BUILT / "index.html").is_file():
        raise FileNotFoundError(f"{BUILT} is not built: run `python -m scripts.setup tests`")
    settings = Settings(_env_file=None, bodh_home=home)
    Handler.headers_of_ours = security_headers(fill_in_and_create_secrets(settings))
    handler = cast("type[Handler]", partial(Handler, directory=str(BUILT)))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@contextlib.asynccontextmanager
async def launched(playwright: Playwright) -> AsyncIterator[Browser]:
    """A Chromium with a fake microphone and permission to use it."""
    browser = await launch_browser(playwright)
    yield browser
    await browser.close()


@contextlib.asynccontextmanager
async def still_page(browser: Browser, width: int, height: int) -> AsyncIterator[Page]:
    """A page of the given size, without animations."""
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        permissions=["microphone"],
        has_touch=True,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
    )
    page = await context.new_page()
    page.set_default_timeout(10_000)
    yield page
    await context.close()
