"""Chromium for the browser tests: installed already, from Debian, or from Playwright.

Standard library only: this runs before anything is installed.
"""

import os
import shutil
import subprocess
from pathlib import Path

from scripts.steps import TOOLS, SetupError, Step, run_logged

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSERS = TOOLS / "browsers"
LINK = TOOLS / "bin" / "chromium"


def chromium_step(python: Path) -> Step:
    return Step(
        name="chromium",
        what="Chromium for the browser tests (400 MB unless installed already)",
        product=LINK,
        inputs="1",
        disk_mb=10 if find_on_path() else 900,
        run=lambda: link_or_install_chromium(python),
    )


def find_on_path() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def link_or_install_chromium(python: Path) -> None:
    """Links a browser at `.tools/bin/chromium`. Raises SetupError."""
    found = find_on_path() or install_debian_package() or install_playwright_browser(python)
    LINK.parent.mkdir(parents=True, exist_ok=True)
    LINK.unlink(missing_ok=True)
    LINK.symlink_to(found)


def install_debian_package() -> str | None:
    if os.getuid() != 0 or not shutil.which("apt-get"):
        return None
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run_logged("apt-update", ["apt-get", "update"], env=env)
        install = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]
        run_logged("apt-chromium", install, env=env)
    except SetupError:
        return None
    return find_on_path()


def install_playwright_browser(python: Path) -> str:
    env = os.environ | {"PLAYWRIGHT_BROWSERS_PATH": str(BROWSERS)}
    script = (
        "from playwright.sync_api import sync_playwright as p\n"
        "with p() as x: print(x.chromium.executable_path)"
    )
    try:
        run_logged("chromium", [python, "-m", "playwright", "install", "chromium"], env=env)
        asked = [str(python), "-c", script]
        answer = subprocess.run(asked, env=env, capture_output=True, text=True, check=True)
    except (SetupError, subprocess.CalledProcessError) as error:
        raise SetupError(
            "The browser tests need Chromium. Install it (Debian: apt install chromium; "
            "macOS: brew install --cask chromium) and run the same command again."
        ) from error
    return answer.stdout.strip()
