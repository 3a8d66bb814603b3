"""`python -m speech` serves the engine; `python -m speech choose` picks its model."""

import asyncio
import os
import sys
from pathlib import Path

import telemetry
from settings import Settings, SettingsError, read_settings_from_environment
from speech.addresses import NotPrivate
from speech.models import ModelChoice, NoModel, choose_and_download_model, read_chosen_model
from speech.socket_server import AlreadyServed

USAGE = "usage: python -m speech [choose]"


def main(arguments: list[str]) -> int:
    try:
        settings = read_settings_from_environment()
        match arguments:
            case []:
                telemetry.start("speech", settings)
                return run_engine(
                    settings, read_chosen_model(settings.whisper_model, settings.bodh_home)
                )
            case ["choose"]:
                choice = choose_and_download_model(settings.whisper_model, settings.bodh_home)
                print(f"speech model: {choice.model}", flush=True)
                return 0
            case _:
                print(USAGE, file=sys.stderr)
                return 2
    except (NoModel, SettingsError) as error:
        print(error, file=sys.stderr)
        return 1


def run_engine(settings: Settings, choice: ModelChoice) -> int:
    # the libraries read these when they are imported: one thread per decode, never the network
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "HF_HUB_OFFLINE"):
        os.environ[name] = "1"
    from speech.server import serve_engine

    address = settings.speech_engine_address
    where = address if isinstance(address, Path) else f"tcp://{address.host}:{address.port}"
    try:
        asyncio.run(
            serve_engine(
                settings,
                choice,
                ready=lambda: print(f"speech ready: {choice.model} at {where}", flush=True),
            )
        )
    except (AlreadyServed, NotPrivate, PermissionError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
