"""Set-up: installs everything Bodh needs into folders of the checkout.

    python -m scripts.setup [packages | page | quick | tests]

Standard library only: this runs before anything is installed.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.chromium import chromium_step
from scripts.steps import (
    ROOT,
    TOOLS,
    SetupError,
    Step,
    fingerprint_files,
    print_progress,
    run_logged,
    run_steps,
)
from scripts.toolchains import ask_version as tool_version
from scripts.toolchains import (
    ensure_npm_environment,
    find_installed_go,
    find_installed_node,
    find_or_install_go,
    pip_install,
)

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LIVEKIT = TOOLS / "bin" / "livekit-server"
LIVEKIT_VERSION = (1, 13, 5)
CLIENT = ROOT / "web" / "client"
OIDC = ROOT / "tests" / "oidc"
WHISPER, VOICE = "base", "en_US-joe-medium"  # the defaults in settings/environment.py


def main(arguments: list[str]) -> int:
    try:
        run_steps(steps_for(arguments))
    except SetupError as error:
        print_progress(str(error))
        return 1
    except KeyboardInterrupt:
        print_progress("Stopped. Run the same command again to continue.")
        return 130
    return 0


def steps_for(arguments: list[str]) -> list[Step]:
    if arguments == ["packages"]:
        return [packages_step()]
    if arguments == ["page"]:
        return [client_step()]
    if arguments == ["quick"]:
        return [packages_step(), test_packages_step()]
    common = [packages_step(), livekit_step(), client_step()]
    if arguments == ["tests"]:
        return [*common, states_step(), *test_steps()]
    return [*common, model_step(), voice_step()]


def packages_step() -> Step:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Step(
        name="packages",
        what=f"Python packages for Python {python} in .venv (800 MB, 1 to 3 minutes)",
        product=PYTHON,
        inputs=fingerprint_files([ROOT / "requirements.lock"], python),
        disk_mb=1200,
        run=install_packages,
    )


def install_packages() -> None:
    """Installs into .venv, which is recreated if its Python version differs."""
    if PYTHON.exists() and tool_version(PYTHON, "--version")[:2] != sys.version_info[:2]:
        shutil.rmtree(VENV)
    run_logged("venv", [sys.executable, "-m", "venv", VENV])
    pip_install(VENV, "requirements.lock")


def test_packages_step() -> Step:
    return Step(
        name="test-packages",
        what="Python packages for the tests in .venv (300 MB)",
        product=VENV / "bin" / "pytest",
        inputs=fingerprint_files([ROOT / "requirements.lock", ROOT / "requirements-test.lock"]),
        disk_mb=500,
        run=lambda: pip_install(VENV, "requirements-test.lock"),
    )


def test_steps() -> list[Step]:
    models = [test_model_step(), test_voice_step()]
    return [test_packages_step(), chromium_step(PYTHON), oidc_step(), *models]


def oidc_step() -> Step:
    return Step(
        name="oidc",
        what="an identity provider for the tests, installed with npm (4 MB)",
        product=OIDC / "node_modules" / "oidc-provider",
        inputs=fingerprint_files([OIDC / "package.json", OIDC / "package-lock.json"]),
        disk_mb=20,
        run=install_test_oidc_provider,
    )


def install_test_oidc_provider() -> None:
    command = ["npm", "ci", "--no-audit", "--no-fund"]
    run_logged("npm-ci-oidc", command, env=ensure_npm_environment(), cwd=OIDC)


def livekit_step() -> Step:
    version = ".".join(str(part) for part in LIVEKIT_VERSION)
    return Step(
        name="livekit",
        what=f"livekit-server {version} (built from source, 3 to 6 minutes)",
        product=LIVEKIT,
        inputs=version,
        disk_mb=1500 if find_installed_go() else 1900,
        run=install_livekit,
    )


def install_livekit() -> None:
    """Links an installed server if it is new enough, else builds one. Raises SetupError."""
    LIVEKIT.parent.mkdir(parents=True, exist_ok=True)
    if tool_version(LIVEKIT, "--version") >= LIVEKIT_VERSION:
        return
    LIVEKIT.unlink(missing_ok=True)
    found = shutil.which("livekit-server")
    if found and tool_version(found, "--version") >= LIVEKIT_VERSION:
        LIVEKIT.symlink_to(found)
        return
    build_livekit()


def build_livekit() -> None:
    """Builds into .tools/bin, then deletes the build caches, which are very large."""
    work = TOOLS / "go"
    version = ".".join(str(part) for part in LIVEKIT_VERSION)
    env = os.environ | {
        "GOPATH": str(work / "path"),
        "GOCACHE": str(work / "cache"),
        "GOBIN": str(work / "bin"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-modcacherw -trimpath",
        "CGO_ENABLED": "0",
    }
    package = f"github.com/livekit/livekit-server/cmd/server@v{version}"
    run_logged(
        "livekit", [find_or_install_go(), "install", "-v", "-ldflags=-s -w", package], env=env
    )
    (work / "bin" / "server").replace(LIVEKIT)
    shutil.rmtree(work)


def list_client_files(*without: str) -> list[Path]:
    parts = [part for part in CLIENT.iterdir() if part.name not in ("node_modules", *without)]
    return [path for part in parts for path in (part, *part.rglob("*")) if path.is_file()]


def client_step() -> Step:
    return Step(
        name="client",
        what="the page, built with npm (100 MB, half a minute)",
        product=CLIENT / "dist" / "index.html",
        inputs=fingerprint_files(list_client_files("dist", "states")),
        disk_mb=200 if find_installed_node() else 600,
        run=build_client,
    )


def build_client() -> None:
    env = ensure_npm_environment()
    run_logged("npm-ci", ["npm", "ci", "--no-audit", "--no-fund"], env=env, cwd=CLIENT)
    run_logged("npm-build", ["npm", "run", "build"], env=env, cwd=CLIENT)


def states_step() -> Step:
    return Step(
        name="states",
        what="every state of the page, for the tests",
        product=ROOT / "build" / "states" / "index.html",
        inputs=fingerprint_files(list_client_files("dist")),
        disk_mb=20,
        run=build_states,
    )


def build_states() -> None:
    run_logged("npm-states", ["npm", "run", "states"], env=ensure_npm_environment(), cwd=CLIENT)


def model_step() -> Step:
    home = ROOT / Path(read_setting("BODH_HOME", ".bodh")).expanduser()
    return Step(
        name="model",
        what="the speech model (130 MB)",
        product=home / "models" / "choice.json",
        inputs=read_setting("WHISPER_MODEL", WHISPER),
        disk_mb=400,
        run=install_speech_model,
    )


def test_model_step() -> Step:
    return Step(
        name="test-model",
        what="the default speech model, for the tests that need a real one (130 MB)",
        product=TOOLS / "models" / WHISPER / "model.bin",
        inputs=WHISPER,
        disk_mb=400,
        run=lambda: install_speech_model(BODH_HOME=str(TOOLS), WHISPER_MODEL=WHISPER),
    )


def voice_step() -> Step:
    wanted = read_setting("VOICE_MODEL", VOICE)
    home = ROOT / Path(read_setting("BODH_HOME", ".bodh")).expanduser()
    is_downloaded = wanted != "espeak" and "/" not in wanted
    return Step(
        name="voice",
        what="the tutor's voice (60 MB)",
        product=home / "models" / wanted if is_downloaded else PYTHON,
        inputs=wanted,
        disk_mb=200,
        run=install_voice_if_possible,
    )


def install_voice_if_possible() -> None:
    """Leaves it to eSpeak NG if there is no voice. The next set-up tries again."""
    if not choose_model("speech.voice"):
        print_progress("No Piper voice could be installed: eSpeak NG will speak.")


def test_voice_step() -> Step:
    return Step(
        name="test-voice",
        what="the default voice, for the tests that need it (60 MB)",
        product=TOOLS / "models" / VOICE / f"{VOICE}.onnx",
        inputs=VOICE,
        disk_mb=200,
        run=install_test_voice,
    )


def install_test_voice() -> None:
    if not choose_model("speech.voice", BODH_HOME=str(TOOLS), VOICE_MODEL=VOICE):
        raise SetupError("The voice could not be installed. See the lines above.")


def install_speech_model(**settings: str) -> None:
    if not choose_model("speech", **settings):
        raise SetupError("No speech model could be installed. See the lines above.")


def choose_model(module: str, **settings: str) -> bool:
    """Downloads what the settings name, unless it is there. False if that fails."""
    done = subprocess.run(
        [PYTHON, "-m", module, "choose"], cwd=ROOT, env=os.environ | settings, check=False
    )
    return done.returncode == 0


def read_setting(name: str, default: str) -> str:
    """Reads a setting without the settings module: the environment first, then .env."""
    if name in os.environ:
        return os.environ[name]
    path = ROOT / ".env"
    for line in path.read_text().splitlines() if path.exists() else []:
        key, _, value = line.partition("=")
        if key.strip() == name:
            return value.strip().strip("\"'")
    return default


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
